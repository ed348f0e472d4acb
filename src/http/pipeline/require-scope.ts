import type { Context } from "hono";
import {
  type Access,
  type AccessTo,
  type AuthenticatePorts,
  authenticate,
  callerFields,
} from "../../core/auth/authenticate.ts";
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
    const credentials = { tenant: c.req.param("tenant") ?? "", header: (name: string) => c.req.header(name) };
    const access = await log.measure("authenticate", authenticate(ports, credentials, scope, to));
    if (access.ok) log.annotate(callerFields(access.value));
    return access;
  };
}
