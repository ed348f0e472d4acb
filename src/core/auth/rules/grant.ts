import type { Person } from "./person.ts";

/**
 * A short-lived token that a tenant's backend mints for one upload of one end user, or for a few. It creates these uploads,
 * reads and cancels them, plays them if it has `playback`, and nothing else; its policy can only narrow the tenant's.
 */
export interface Grant {
  /** The `jti`. */
  readonly id: string;
  readonly tenant: string;
  /** The end user, who owns its uploads. */
  readonly person?: Person;
  /** Seconds since the epoch. */
  readonly issuedAt: number;
  /** Seconds since the epoch. */
  readonly expiresAt: number;
  /** It also signs playback tokens of its uploads. */
  readonly playback?: true;
  /** A policy document. Parsed at every use, since tokens outlive deployments. */
  readonly policy?: unknown;
  /** How many files it is for. */
  readonly uploads: number;
  /** The backend's own id for what is uploaded: an order, a lesson. Kept with each upload, and sent with its events. */
  readonly reference?: string;
  readonly mintedBy: GrantMinter;
}

/** The API key that minted a grant, or the issuer of the JWT that did. Revoking it revokes the grant. */
export type GrantMinter = { readonly key: string } | { readonly issuer: string; readonly iss: string };

/**
 * Time to choose a file and start the upload. Resuming an upload needs no grant, starting it again does. Also the default of an
 * issuer's `maxGrantSeconds`: its tokens are in the hands of end users.
 */
export const DEFAULT_GRANT_SECONDS = 60 * 60;
export const MIN_GRANT_SECONDS = 10;
/** A single grant cannot be revoked, so it lasts a day at most. */
export const MAX_GRANT_SECONDS = 24 * 60 * 60;

/** A grant of before this setting is for one file. */
export const DEFAULT_GRANT_UPLOADS = 1;
/** A form with many files; a larger batch needs a grant per file, so that one lost grant does not let in all of it. */
export const MAX_GRANT_UPLOADS = 50;

/** Longer than any id of another system; with a policy of maximum size, the token still fits into a header. */
export const MAX_REFERENCE_CHARACTERS = 200;

/** How long after its `exp` a grant reads, cancels and plays its uploads: an upload may take hours longer than its grant lasts. */
export const OWN_UPLOAD_GRACE_SECONDS = 24 * 60 * 60;

/** A grant's policy document in UTF-8. The token is sent in a header, base64-encoded twice. */
export const MAX_GRANT_POLICY_BYTES = 2_048;
