import type { PolicyDocument } from "../../policy/rules/policy.ts";
import { type Problem, problem } from "../../shared/problem.ts";
import type { Grant } from "./grant.ts";
import type { Person } from "./person.ts";
import type { Provisioner } from "./provisioning.ts";
import type { Scope } from "./scopes.ts";

/** The sender of a request, from its verified credential. */
export interface Caller {
  readonly tenant: string;
  readonly kind: "api-key" | "jwt" | "grant";
  /** Identifies the credential in the log: the id of the key or of the issuer, or the grant's `jti`. */
  readonly credential: string;
  /** The `iss` of a JWT. */
  readonly iss?: string;
  /** The end user, of a JWT or a grant. An API key acts for the whole tenant and has none. */
  readonly person?: Person;
  readonly scopes: ReadonlySet<Scope>;
  /** The credential reaches only some tenants: see `reaches`. */
  readonly provisioner?: Provisioner;
  /** When an API key expires, in milliseconds since the epoch; absent: never. */
  readonly expiresAt?: number;
  /** The longest life of a grant that a JWT may mint. */
  readonly maxGrantSeconds?: number;
  /** The tenant's version when the credential was read from the registry. It may have been revoked at a later version. */
  readonly version: number;
  /** The policy document of a grant; it narrows the tenant's policy. */
  readonly policy?: PolicyDocument;
  /** What a grant says about its uploads. */
  readonly grant?: Pick<Grant, "uploads" | "reference">;
}

/** @returns `undefined` if the caller's credential has the scope */
export function refuseScope({ kind, scopes }: Pick<Caller, "kind" | "scopes">, scope: Scope): Problem | undefined {
  if (scopes.has(scope)) return undefined;
  const found = [...scopes].join(", ") || "none";
  return problem("scope_missing", `The credential lacks the scope ${scope} (found: ${found}).`, {
    key: scope,
    ...(kind === "jwt" && { step: "scopes" }),
  });
}
