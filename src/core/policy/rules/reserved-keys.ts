/** Carries a grant to the creation: clients send metadata nowhere else, while headers also go to the upload host. */
export const GRANT_KEY = "grant";

/** Carries `<tenant>/<upload id>` into the video's `meta`, so that an event finds its ledger. */
export const SLUICE_KEY = "sluice";

/** Keys that no policy can name and no client can send on. */
export const RESERVED_KEYS: ReadonlySet<string> = new Set([GRANT_KEY, SLUICE_KEY]);

/** Keys that uploaders send by themselves and the policy reads: never refused, and sent on only where allowed by name. */
export const FILE_NAME_KEY = "filename";
export const FILE_TYPE_KEY = "filetype";
