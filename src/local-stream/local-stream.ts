import type { VideoDescription } from "./description.ts";
import type { Fault } from "./faults.ts";
import type { RecordedRequest } from "./recorder.ts";
import type { Delivery } from "./webhook.ts";

/** A Cloudflare Stream on this machine. */
export interface LocalStream {
  /** Without a trailing slash. */
  readonly url: string;
  /** What stands in for https://api.cloudflare.com/client/v4 */
  readonly apiBase: string;
  /** `host:port` of the upload URLs. */
  readonly uploadHost: string;
  readonly accountId: string;
  readonly token: string;
  readonly email: string;
  readonly globalKey: string;
  /** What has come in, in order. */
  requests(): readonly RecordedRequest[];
  clearRequests(): void;
  /** Only creations by tus, which is what the gateway sends. */
  creations(): readonly RecordedRequest[];
  /** As the API shows them, newest first. */
  videos(): VideoDescription[];
  /** Waits until a video is `ready` or in `error`. */
  settled(uid: string): Promise<VideoDescription>;
  /** Attempts to deliver events to the webhook, in order. */
  deliveries(): readonly Delivery[];
  /** Throws a `TypeError` where it is none. */
  addFault(fault: Fault): void;
  faults(): readonly Fault[];
  clearFaults(): void;
  /** Lets an upload URL die now. Throws a `TypeError` where there is no such video. */
  expire(uid: string): void;
  /** Lets time pass, in milliseconds: for expiry, limits and scheduled deletion. Processing takes real time. */
  advance(milliseconds: number): void;
  /** Forgets videos, faults, requests, limits, the webhook and the time that was let pass. */
  reset(): void;
  close(): Promise<void>;
}
