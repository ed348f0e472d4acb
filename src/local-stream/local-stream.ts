import type { VideoDescription } from "./description.ts";
import type { Fault } from "./faults.ts";
import type { RecordedRequest } from "./recorder.ts";
import type { Delivery } from "./webhook.ts";

/** A Cloudflare Stream on this machine. */
export interface LocalStream {
  /** Without a trailing slash. */
  readonly url: string;
  /** Replaces https://api.cloudflare.com/client/v4 */
  readonly apiBase: string;
  /** `host:port` of the upload URLs. */
  readonly uploadHost: string;
  readonly accountId: string;
  readonly token: string;
  readonly email: string;
  readonly globalKey: string;
  /** All received requests, in order. */
  requests(): readonly RecordedRequest[];
  clearRequests(): void;
  /** Only tus creations. */
  creations(): readonly RecordedRequest[];
  /** As the API shows them, newest first. */
  videos(): VideoDescription[];
  /** Waits until a video is `ready` or in `error`. */
  settled(uid: string): Promise<VideoDescription>;
  /** Webhook calls, in order. */
  deliveries(): readonly Delivery[];
  /** Throws a `TypeError` for an invalid fault. */
  addFault(fault: Fault): void;
  faults(): readonly Fault[];
  clearFaults(): void;
  /** Expires an upload URL now. Throws a `TypeError` for an unknown video. */
  expire(uid: string): void;
  /** Advances the clock for expiry, limits and scheduled deletion. Processing takes real time. */
  advance(milliseconds: number): void;
  /** Clears videos, faults, requests, limits and the webhook, and resets the clock. */
  reset(): void;
  close(): Promise<void>;
}
