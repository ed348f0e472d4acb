/**
 * The header that Stream signs its events with: `Webhook-Signature: time=1230811200,sig1=60493ec9…`.
 *
 * @see https://developers.cloudflare.com/stream/manage-video-library/using-webhooks/#verify-webhook-authenticity
 */
export interface StreamSignature {
  /** Seconds since the epoch, as they were signed. */
  readonly time: string;
  /** HMAC-SHA256 of the time, a point and the body; 64 digits. */
  readonly signatureHex: string;
}

/** How far the time of an event may be from ours, either way: clocks differ, and an old event may be a replayed one. */
export const SIGNATURE_TOLERANCE_SECONDS = 300;

/** Twelve digits of seconds last for 30,000 years. */
const TIME = /^\d{1,12}$/;
const HEXADECIMAL = /^[0-9a-f]{64}$/i;
/** Schemes to come: where there are several signatures, each is enough. */
const OTHER_SCHEME = /^sig\d{1,3}$/;

/** Reads the header: `time` and `sig1` once each, in any order. Undefined: it is something else. */
export function parseStreamSignature(header: string): StreamSignature | undefined {
  const parts = new Map<string, string>();
  for (const part of header.split(",")) {
    const [name = "", value, ...more] = part.split("=");
    if (value === undefined || more.length > 0 || parts.has(name)) return undefined;
    if (name !== "time" && name !== "sig1" && !OTHER_SCHEME.test(name)) return undefined;
    parts.set(name, value);
  }
  const [time, hexadecimal] = [parts.get("time"), parts.get("sig1")];
  if (time === undefined || hexadecimal === undefined) return undefined;
  return TIME.test(time) && HEXADECIMAL.test(hexadecimal) ? { time, signatureHex: hexadecimal } : undefined;
}

/** @param now seconds since the epoch */
export function isWithinTolerance({ time }: StreamSignature, now: number): boolean {
  return Math.abs(now - Number(time)) <= SIGNATURE_TOLERANCE_SECONDS;
}
