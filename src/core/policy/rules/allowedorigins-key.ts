import * as v from "valibot";
import { within } from "./constraints.ts";
import { HOST_EXPECTED, hasHostForm, parseHosts } from "./hosts.ts";
import { type MetadataKey, choices, constant, ifSet } from "./metadata-key.ts";

/** How Stream reads an absent or empty `allowedorigins`. Not a host, so no `within` allows it. */
const ANYWHERE: readonly string[] = ["*"];

const host = v.pipe(v.string(), v.check(hasHostForm, HOST_EXPECTED));

export const allowedOriginsKey: MetadataKey<readonly string[]> = {
  type: {
    parse: parseHosts,
    format: (hosts) => hosts.join(","),
    expects: "host names without a scheme, separated by commas",
    constraints: [],
    absence: ANYWHERE,
  },
  setting: choices(host),
  verbs: { within: choices(host) },
  resolve: (setting) => constant(Array.isArray(setting) ? setting.map(String) : []),
  constraints: (verbs) => ifSet(verbs.within, within),
};
