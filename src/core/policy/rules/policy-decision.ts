import type { RequestedUpload } from "../../quota/rules/check-limits.ts";
import type { UploadBounds } from "../../quota/rules/upload-bounds.ts";
import type { Caller } from "../../auth/rules/caller.ts";
import type { Person } from "../../auth/rules/person.ts";
import { personKey } from "../../auth/rules/person-key.ts";
import type { UploadMetadata } from "../../uploads/rules/metadata-value.ts";
import type { CreationRequest } from "../../uploads/rules/creation-request.ts";

/** A creation, as far as a policy decides on it. */
export interface PolicyRequest {
  /** `direct`: a basic link, whose length is the most that Stream accepts by it. */
  readonly kind?: CreationRequest["kind"];
  /** Bytes. */
  readonly length: number;
  /** Of a copy: the name of the file in its URL. */
  readonly fileName?: string;
  /** Of a clip: from its start to its end. */
  readonly clipSeconds?: number;
  readonly metadata: UploadMetadata;
  /** The client's `Upload-Creator`. */
  readonly creator?: string;
  /** Of the person that `personToDigest` returns. */
  readonly creatorDigest?: string;
  /** The browser's `Origin`. */
  readonly origin?: string;
  readonly caller: Pick<Caller, "tenant" | "kind" | "person">;
  /** Seconds since the epoch. */
  readonly now: number;
  readonly bounds: UploadBounds;
}

/** What is sent to Stream. */
export interface Decision {
  /** Bytes. */
  readonly length: number;
  /** Stream's keys in lower case and custom keys as the policy spells them → text; "" is a bare key. */
  readonly metadata: ReadonlyMap<string, string>;
  readonly creator?: string;
  /** Whose upload it is. */
  readonly person?: Person;
  /** Seconds of the account's storage that the creation reserves. */
  readonly maxDurationSeconds: number;
  /** Seconds since the epoch at which the upload URL expires; without one, see `UNREPORTED_SECONDS`. */
  readonly expiresAt: number;
}

/** What the limits count of an accepted creation. */
export function sizeOf({ length, maxDurationSeconds, person }: Decision, tenant: string): RequestedUpload {
  return { bytes: length, seconds: maxDurationSeconds, creator: person && personKey(person, tenant) };
}

/** One line of the explanation: what was requested, what was applied, and which rule decided. */
export interface Explanation {
  /** A metadata key as it is sent to Stream, or `length`, `filetype`, `creator`, `origin`. */
  readonly key: string;
  readonly outcome: "accepted" | "absent" | "defaulted" | "forced" | "clamped" | "dropped" | "refused";
  readonly requested?: string | undefined;
  readonly applied?: string | undefined;
  /** Path of the rule that decided, e.g. `policy.metadata.name.maxLength`; `stream.…` for a bound of Stream. */
  readonly rule?: string | undefined;
}
