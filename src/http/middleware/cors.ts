import type { Context, MiddlewareHandler } from "hono";
import { originAllowed, originNotAllowed } from "../../core/policy/rules/upload-checks.ts";
import { TENANT_ID } from "../../core/shared/tenant.ts";
import { respondProblem } from "../pipeline/problem-response.ts";
import type { Registry } from "../../core/ports/registry.ts";
import type { AppEnv } from "../app-env.ts";

export const ALLOW_METHODS = "POST, GET, HEAD, PUT, PATCH, DELETE, OPTIONS";

/**
 * All headers that tus clients send, also those that Sluice refuses: if a header is not allowed, the browser reports a network
 * failure, which clients retry. `*` does not cover `Authorization`, which must be listed.
 */
export const ALLOW_HEADERS = [
  "Authorization",
  "Content-Type",
  "Idempotency-Key",
  "Tus-Resumable",
  "Upload-Concat",
  "Upload-Creator",
  "Upload-Defer-Length",
  "Upload-Draft-Interop-Version",
  "Upload-Complete",
  "Upload-Length",
  "Upload-Metadata",
  "Upload-Offset",
  "X-API-Key",
  "X-HTTP-Method-Override",
  "X-Request-ID",
  "X-Requested-With",
].join(", ");

const EXPOSE_HEADERS = [
  "Idempotency-Replayed",
  "Location",
  "RateLimit",
  "RateLimit-Policy",
  "Retry-After",
  "Server-Timing",
  "Sluice-Upload-Id",
  "Stream-Media-Id",
  "Tus-Extension",
  "Tus-Max-Size",
  "Tus-Resumable",
  "Tus-Version",
  "Upload-Expires",
  "Upload-Offset",
  "WWW-Authenticate",
  "X-Request-ID",
  "X-Should-Retry",
].join(", ");

/** The format that browsers send, up to 1,000 characters. */
const HEADER_NAMES = /^(?=.{1,1000}$)[\w-]+(?:, ?[\w-]+)*$/;

/** One day; browsers apply a lower maximum. */
const PREFLIGHT_MAX_AGE_SECONDS = 86_400;

/**
 * Adds CORS headers to every response on a tenant's paths, problems included: a page that cannot read an error takes it for a
 * network failure and retries. Requests of pages whose origin the tenant's policy does not list are refused before anything
 * else happens. There are no cookies, so credentials mode is never allowed.
 *
 * The policy is applied again to a creation, since a grant may narrow the origins: see `applyPolicy`.
 */
export function cors(registry: Pick<Registry, "tenant">): MiddlewareHandler<AppEnv> {
  return async function cors(c, next) {
    const origin = c.req.header("origin");
    const allowed = origin === undefined || (await isAllowed(registry, c, origin));
    c.header("Vary", "Origin");
    if (origin !== undefined && allowed) {
      c.header("Access-Control-Allow-Origin", origin);
      c.header("Access-Control-Expose-Headers", EXPOSE_HEADERS);
    }
    if (c.req.method === "OPTIONS") {
      c.header("Access-Control-Allow-Methods", ALLOW_METHODS);
      // Other headers of the page, e.g. of its tracing, are allowed and ignored.
      const requested = c.req.header("access-control-request-headers") ?? "";
      const headers = HEADER_NAMES.test(requested) ? `${ALLOW_HEADERS}, ${requested}` : ALLOW_HEADERS;
      c.header("Access-Control-Allow-Headers", headers);
      c.header("Vary", "Origin, Access-Control-Request-Headers");
      c.header("Access-Control-Max-Age", String(PREFLIGHT_MAX_AGE_SECONDS));
    } else if (origin !== undefined && !allowed) return respondProblem(c, originNotAllowed(origin));
    return next();
  };
}

/** Allows every origin for an unknown tenant, which then gets the same problem as an invalid credential. */
async function isAllowed(registry: Pick<Registry, "tenant">, c: Context<AppEnv>, origin: string): Promise<boolean> {
  const id = c.req.param("tenant") ?? "";
  if (!TENANT_ID.test(id)) return true;
  const tenant = await registry.tenant(id);
  return !tenant.ok || !tenant.value || originAllowed(tenant.value.policy, origin);
}
