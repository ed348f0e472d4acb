import * as v from "valibot";
import { type MetadataKey, constant } from "./metadata-key.ts";

/** A flag. Stream reads the presence of the key as true, whatever its value, and so does Sluice; false is its absence. */
export const requireSignedUrlsKey: MetadataKey<boolean> = {
  type: { parse: () => true, format: (on) => (on ? "" : undefined), expects: "a bare key", constraints: [] },
  setting: v.boolean(),
  verbs: {},
  resolve: (setting) => constant(Boolean(setting)),
  constraints: () => [],
};
