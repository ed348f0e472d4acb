import { join } from "node:path";

/** The repository's folder. */
export const ROOT = join(import.meta.dirname, "..", "..");
/** Folder of a local gateway's data and secrets; SLUICE_STATE names another one. */
export const STATE = process.env["SLUICE_STATE"] ?? join(ROOT, ".wrangler", "sluice");
