/** Carries a grant to the creation. Clients send metadata to the gateway only, but headers to the upload host too. */
export const GRANT_KEY = "grant";

/** Carries `<tenant>/<upload id>` into the video's `meta`, so that a Stream notification leads to its ledger. */
export const SLUICE_KEY = "sluice";

/** Keys that no policy may name and no client can send to Stream. */
export const RESERVED_KEYS: ReadonlySet<string> = new Set([GRANT_KEY, SLUICE_KEY]);

/** Keys that uploaders add on their own and the policy reads: never refused, and sent to Stream only if allowed by name. */
export const FILE_NAME_KEY = "filename";
export const FILE_TYPE_KEY = "filetype";
