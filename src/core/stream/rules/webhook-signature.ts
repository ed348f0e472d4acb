/**
 * The header with which Stream signs its notifications: `Webhook-Signature: time=1230811200,sig1=60493ec9…`.
 *
 * @see https://developers.cloudflare.com/stream/manage-video-library/using-webhooks/#verify-webhook-authenticity
 */
export interface StreamSignature {
  /** Seconds since the epoch, as written in the header: the signature covers these digits. */
  readonly time: string;
  /** HMAC-SHA256 of the time, a dot and the body; 64 hexadecimal digits. */
  readonly signatureHex: string;
}

/** Largest difference to the clock, either way: clocks differ, and an older notification may be a replay. */
export const SIGNATURE_TOLERANCE_SECONDS = 300;

/** Twelve digits of seconds suffice for 30,000 years. */
const TIME = /^\d{1,12}$/;
const HMAC_HEX = /^[0-9a-f]{64}$/i;
/** Signatures of future schemes are ignored: one valid signature is enough. */
const OTHER_SCHEME = /^sig\d{1,3}$/;

/** Parses the header: `time` and `sig1` exactly once, in any order. @returns `undefined` if it has another form */
export function parseStreamSignature(header: string): StreamSignature | undefined {
  const parts = new Map<string, string>();
  for (const part of header.split(",")) {
    const [name = "", value, ...more] = part.split("=");
    if (value === undefined || more.length > 0 || parts.has(name)) return undefined;
    if (name !== "time" && name !== "sig1" && !OTHER_SCHEME.test(name)) return undefined;
    parts.set(name, value);
  }
  const [time, signatureHex] = [parts.get("time"), parts.get("sig1")];
  if (time === undefined || signatureHex === undefined) return undefined;
  return TIME.test(time) && HMAC_HEX.test(signatureHex) ? { time, signatureHex } : undefined;
}

/** @param now seconds since the epoch */
export function isWithinTolerance({ time }: StreamSignature, now: number): boolean {
  return Math.abs(now - Number(time)) <= SIGNATURE_TOLERANCE_SECONDS;
}
