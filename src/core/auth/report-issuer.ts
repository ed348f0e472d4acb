import { findTenant } from "./find-tenant.ts";
import type { Caller } from "./rules/caller.ts";
import { type Issuer, discoveryUrl } from "./rules/issuer.ts";
import { type StepReport, type WalkTokenPorts, reportToken } from "./walk-token.ts";
import { type Result, ok } from "../shared/result.ts";
import type { Problem } from "../shared/problem.ts";
import type { IssuerKeys } from "../ports/tokens.ts";
import type { Registry } from "../ports/registry.ts";
import type { Person } from "./rules/person.ts";

export interface ReportIssuerPorts extends WalkTokenPorts {
  /** Past the cache: the operator may just have changed the tenant. */
  readonly registry: Registry;
}

/** What the operator learns about an issuer, and about one of its tokens. */
export interface IssuerReport {
  /** Whether the keys can be read, and the token, if there is one, opens its tenant. */
  readonly ok: boolean;
  readonly keys: { readonly from: string } & (IssuerKeys | { readonly reason: string });
  /** The steps of the token, up to the first that fails. */
  readonly steps?: readonly StepReport[];
  readonly problem?: Pick<Problem, "code" | "detail">;
  readonly tenant?: { readonly id: string; readonly state: TenantState };
  readonly person?: Person;
  readonly scopes?: readonly string[];
}

type TenantState = "exists" | "provisioned" | "foreign" | "suspended" | "unknown";

/**
 * Reads the keys of an issuer, and walks a token through the steps of its verification. Stores and logs nothing.
 *
 * @returns the failure of the registry
 */
export async function reportIssuer(
  ports: ReportIssuerPorts,
  issuer: Issuer,
  token?: string,
): Promise<Result<IssuerReport>> {
  const read = await ports.tokens.readKeys(issuer);
  const keys = {
    from: keysFrom(issuer),
    ...(read.ok ? read.value : { reason: reasonOf(read.problem) }),
    // Any algorithm fits a secret.
    ...(issuer.keys.kind === "secrets" && { algorithms: issuer.algorithms }),
  };
  if (token === undefined) return ok({ ok: read.ok, keys, ...(!read.ok && { problem: publicPart(read.problem) }) });

  const { steps, outcome } = await reportToken(ports, token, issuer);
  if (!outcome?.ok) return ok({ ok: false, keys, steps, ...(outcome && { problem: publicPart(outcome.problem) }) });
  const { caller } = outcome.value;
  const state = await stateOf(ports, caller);
  if (!state.ok) return state;
  return ok({
    ok: steps.every(({ ok }) => ok) && ["exists", "provisioned"].includes(state.value),
    keys,
    steps,
    tenant: { id: caller.tenant, state: state.value },
    ...(caller.person && { person: caller.person }),
    scopes: [...caller.scopes],
  });
}

/** Of an issuer that is stored and cannot be read, such as one whose secret was sealed with a key that is gone. */
export function unreadableIssuer(problem: Problem): IssuerReport {
  return { ok: false, keys: { from: "registry", reason: reasonOf(problem) }, problem: publicPart(problem) };
}

/** Where the keys come from: a URL, or the member of the issuer's document that holds them. */
function keysFrom({ iss, keys }: Issuer): string {
  if (keys.kind === "discovery") return discoveryUrl(iss);
  return keys.kind === "jwks-url" ? keys.url : keys.kind;
}

const publicPart = ({ code, detail }: Problem) => ({ code, detail });

const reasonOf = ({ facts, detail }: Problem) => String(facts?.["reason"] ?? detail);

/** Whether the token opens its tenant, and why not. */
async function stateOf({ registry }: ReportIssuerPorts, caller: Caller): Promise<Result<TenantState>> {
  const found = await findTenant(registry, caller);
  if (!found.ok) return found.problem.code === "tenant_mismatch" ? ok("foreign") : found;
  const tenant = found.value;
  if (!tenant) return ok("unknown");
  if (tenant.isProspect) return ok("provisioned");
  return ok(tenant.suspended ? "suspended" : "exists");
}
