import type { Context } from "hono";
import type { Scope } from "../../core/auth/rules/caller.ts";
import type { Result } from "../../core/shared/result.ts";
import type { AppEnv } from "../app-env.ts";
import { type Access, type AuthenticatePorts, authenticate } from "../../core/auth/authenticate.ts";

/** Authenticates a request of a tenant's JSON API and notes who it is. */
export async function requireScope(
  ports: AuthenticatePorts,
  c: Context<AppEnv>,
  scope: Scope,
): Promise<Result<Access>> {
  const event = c.get("event");
  const authorization = c.req.header("authorization");
  const credentials = { tenant: c.req.param("tenant") ?? "", ...(authorization !== undefined && { authorization }) };
  const access = await event.measure("authenticate", authenticate(ports, credentials, scope));
  if (access.ok) {
    const { caller, tenant } = access.value;
    event.annotate({ tenant: tenant.id, callerKind: caller.kind, credential: caller.credential });
  }
  return access;
}
