/**
 * A short-lived token that a tenant's backend mints for one upload of one end user. It can only create uploads, and its
 * policy can only narrow the tenant's.
 */
export interface Grant {
  /** The `jti`. */
  readonly id: string;
  readonly tenant: string;
  /** The end user, and so the creator of the upload. */
  readonly subject?: string;
  /** Seconds since the epoch. */
  readonly issuedAt: number;
  /** Seconds since the epoch. */
  readonly expiresAt: number;
  /** A policy document. Parsed at every use, since tokens outlive deployments. */
  readonly policy?: unknown;
  readonly mintedBy: GrantMinter;
}

/** The API key that minted a grant, or the issuer of the JWT that did. Revoking it revokes the grant. */
export type GrantMinter = { readonly key: string } | { readonly issuer: string; readonly iss: string };

/** Time to choose a file and start the upload. Resuming an upload needs no grant, starting it again does. */
export const DEFAULT_GRANT_SECONDS = 60 * 60;
export const MIN_GRANT_SECONDS = 10;
/** A single grant cannot be revoked, so it lasts a day at most. */
export const MAX_GRANT_SECONDS = 24 * 60 * 60;

/** A grant's policy document in UTF-8. The token is sent in a header, base64-encoded twice. */
export const MAX_GRANT_POLICY_BYTES = 2_048;
