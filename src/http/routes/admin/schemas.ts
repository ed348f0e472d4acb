import * as v from "valibot";
import { isEndpointUrl } from "../../../core/shared/fetched-url.ts";
import { FETCHABLE_URL, printable } from "../../../core/shared/fields.ts";

/** Schemas that several documents share. */

/** Text for people, without control characters and lone surrogates: no database stores the latter unchanged. */
export const displayName = printable(200);

/** A URL that webhook events may be sent to. */
export const endpointUrl = (allowLoopback: boolean) =>
  v.pipe(
    v.string(),
    v.check((url) => isEndpointUrl(url, allowLoopback), `${FETCHABLE_URL}, on port 443`),
  );
