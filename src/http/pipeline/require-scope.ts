import type { Context } from "hono";
import { type Access, type AccessTo, type AuthenticatePorts, authenticate } from "../../core/auth/authenticate.ts";
import type { Scope } from "../../core/auth/rules/scopes.ts";
import type { Result } from "../../core/shared/result.ts";
import type { AppEnv } from "../app-env.ts";

/** Authenticates the caller for the tenant in the path, requires a scope, and adds the caller to the request log. */
export function requireScope(
  ports: AuthenticatePorts,
  scope: Scope,
  to: AccessTo = "tenant",
): (c: Context<AppEnv>) => Promise<Result<Access>> {
  return async function requireScope(c) {
    const log = c.get("log");
    const authorization = c.req.header("authorization");
    const credentials = { tenant: c.req.param("tenant") ?? "", ...(authorization !== undefined && { authorization }) };
    const access = await log.measure("authenticate", authenticate(ports, credentials, scope, to));
    if (access.ok) {
      const { caller, tenant } = access.value;
      log.annotate({ tenant: tenant.id, callerKind: caller.kind, credential: caller.credential });
    }
    return access;
  };
}
