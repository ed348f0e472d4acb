import { join } from "node:path";

/** The checkout. */
export const ROOT = join(import.meta.dirname, "..", "..");
/** Where a local gateway keeps its data and secrets; in no repository and no deployment. */
export const STATE = join(ROOT, ".wrangler", "sluice");
