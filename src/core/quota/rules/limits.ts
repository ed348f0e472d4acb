import * as v from "valibot";
import { jsonObject } from "../../shared/strict-object.ts";

const number = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

function schemaOf<Count extends v.GenericSchema>(count: Count) {
  const quota = jsonObject({
    uploads: v.optional(count),
    /** Bytes, by `Upload-Length`. */
    bytes: v.optional(count),
    /** Seconds of video: reserved until the real duration is known. */
    seconds: v.optional(count),
  });
  return jsonObject({
    /** Live uploads: upload URLs that may be alive. */
    pending: v.optional(count),
    pendingPerCreator: v.optional(count),
    /** Seconds of video stored at Stream, reservations included. */
    storedSeconds: v.optional(count),
    /** Creations per minute. */
    rate: v.optional(jsonObject({ tenant: v.optional(count), creator: v.optional(count) })),
    quota: v.optional(jsonObject({ month: v.optional(quota), day: v.optional(quota) })),
  });
}

/** A tenant's or plan's limits, as the operator writes them. Absent fields are unlimited. Windows are UTC. */
export const limitsSchema = schemaOf(number);

/** What a tenant on a plan says about the plan's limits: `null` removes one. */
export const limitsPatchSchema = schemaOf(v.nullable(number));

export type Limits = v.InferOutput<typeof limitsSchema>;
export type LimitsPatch = v.InferOutput<typeof limitsPatchSchema>;

/** The status of a limit of creations per minute. https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/ */
export interface RateStatus {
  readonly allowed: number;
  readonly remaining: number;
  /** Seconds until one more creation is allowed than remains now. */
  readonly resetSeconds: number;
}
