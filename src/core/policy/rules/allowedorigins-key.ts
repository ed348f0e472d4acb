import * as v from "valibot";
import { within } from "./constraints.ts";
import { parseHosts } from "./hosts.ts";
import { type MetadataKey, choices, constant, ifSet } from "./metadata-key.ts";

/** How Stream reads an absent or empty `allowedorigins`. Not a host, so no `within` allows it. */
const ANYWHERE: readonly string[] = ["*"];

/** What is no host is a fault of the document: see `compileRule`. */
const hosts = choices(v.string());

export const allowedOriginsKey: MetadataKey<readonly string[]> = {
  type: {
    parse: parseHosts,
    format: (hosts) => hosts.join(","),
    expects: "host names without a scheme, separated by commas",
    constraints: [],
    absence: ANYWHERE,
  },
  setting: hosts,
  verbs: { within: hosts },
  resolve: (setting) => constant(Array.isArray(setting) ? setting.map(String) : []),
  constraints: (verbs) => ifSet(verbs.within, within),
};
