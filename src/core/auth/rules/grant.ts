/**
 * A short-lived token that a tenant's backend mints for one end user's one upload. It can only narrow the tenant's
 * policy, and it creates uploads and nothing else.
 */
export interface Grant {
  /** The `jti`. */
  readonly id: string;
  readonly tenant: string;
  /** The media creator. */
  readonly subject?: string;
  /** Seconds since the epoch. */
  readonly issuedAt: number;
  /** Seconds since the epoch. */
  readonly expiresAt: number;
  /** A policy document; read again at every use, since tokens outlive deployments. */
  readonly policy?: unknown;
  readonly mintedBy: GrantMinter;
}

/** The API key that minted a grant, or the issuer of the JWT that did: the grant dies with it. */
export type GrantMinter = { readonly key: string } | { readonly issuer: string; readonly iss: string };

/** Time to choose a file and to begin; a grant is needed again only where an upload has to begin anew. */
export const DEFAULT_GRANT_SECONDS = 60 * 60;
export const MIN_GRANT_SECONDS = 10;
/** A grant cannot be revoked by itself, so it does not outlive the day. */
export const MAX_GRANT_SECONDS = 24 * 60 * 60;

/** Of a grant's policy document in UTF-8: the token travels in a header, and base64 twice. */
export const MAX_GRANT_POLICY_BYTES = 2_048;
