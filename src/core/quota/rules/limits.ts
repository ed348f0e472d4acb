import * as v from "valibot";
import { jsonObject } from "../../shared/strict-object.ts";

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

const quotaSchema = jsonObject({
  uploads: v.optional(count),
  /** Bytes, by `Upload-Length`. */
  bytes: v.optional(count),
  /** Seconds of video: reserved until the real duration is known. */
  seconds: v.optional(count),
});

/** A tenant's limits, as the operator writes them. Absent fields are unlimited. Windows are UTC. */
export const limitsSchema = jsonObject({
  /** Live uploads: upload URLs that may be alive. */
  pending: v.optional(count),
  pendingPerCreator: v.optional(count),
  /** Seconds of video stored at Stream, reservations included. */
  storedSeconds: v.optional(count),
  /** Creations per minute. */
  rate: v.optional(jsonObject({ tenant: v.optional(count), creator: v.optional(count) })),
  quota: v.optional(jsonObject({ month: v.optional(quotaSchema), day: v.optional(quotaSchema) })),
});

export type Limits = v.InferOutput<typeof limitsSchema>;

/** The status of a limit of creations per minute. https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/ */
export interface RateStatus {
  readonly allowed: number;
  readonly remaining: number;
  /** Seconds until one more creation is allowed than remains now. */
  readonly resetSeconds: number;
}
