import type { Caller } from "../../auth/rules/caller.ts";
import type { UploadMetadata } from "../../uploads/rules/upload-metadata.ts";

/** What a creation is judged by. */
export interface PolicyRequest {
  /** Bytes. */
  readonly length: number;
  readonly metadata: UploadMetadata;
  /** The client's `Upload-Creator`. */
  readonly creator?: string;
  /** The browser's `Origin`. */
  readonly origin?: string;
  readonly caller: Pick<Caller, "tenant" | "kind" | "subject">;
  /** Seconds since the epoch. */
  readonly now: number;
}

/** What will be sent to Stream. */
export interface Decision {
  /** Bytes. */
  readonly length: number;
  /** Lower-case key → decoded value; "" is a bare key. */
  readonly metadata: ReadonlyMap<string, string>;
  readonly creator?: string;
  /** Seconds of the account's storage that the creation reserves. */
  readonly maxDurationSeconds: number;
  /** Seconds since the epoch, when the upload URL dies. */
  readonly expiresAt: number;
}

/** One line of the explanation: what was asked, what was applied, and which rule decided. */
export interface Explanation {
  /** A metadata key, or `length`, `filetype`, `creator`, `origin`. */
  readonly key: string;
  readonly outcome: "accepted" | "absent" | "defaulted" | "forced" | "clamped" | "dropped" | "refused";
  readonly requested?: string | undefined;
  readonly applied?: string | undefined;
  /** Path into the document that decided, e.g. `policy.metadata.name.maxLength`; `stream.…` for a bound of Stream's. */
  readonly rule?: string | undefined;
}
