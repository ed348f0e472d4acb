import { join } from "node:path";

/** The checkout. */
export const ROOT = join(import.meta.dirname, "..", "..");
/** Where a local gateway keeps its data and secrets, unless SLUICE_STATE names another folder. */
export const STATE = process.env["SLUICE_STATE"] ?? join(ROOT, ".wrangler", "sluice");
