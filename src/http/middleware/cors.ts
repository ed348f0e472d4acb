import type { Context, MiddlewareHandler } from "hono";
import { originAllowed } from "../../core/policy/rules/upload-checks.ts";
import { problem } from "../../core/shared/problem.ts";
import { truncate } from "../../core/shared/text.ts";
import { TENANT_ID } from "../../core/shared/tenant.ts";
import { respondProblem } from "../pipeline/problem-response.ts";
import type { Registry } from "../../core/ports/registry.ts";
import type { AppEnv } from "../app-env.ts";

export const ALLOW_METHODS = "POST, GET, HEAD, PATCH, DELETE, OPTIONS";

/**
 * Everything a tus client may send, what is refused here included: a browser that may not send a header reports a network
 * failure, and clients repeat those. `Authorization` has to be listed by name, `*` does not cover it.
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
].join(", ");

/** A list as browsers write it, of a length that nobody needs to exceed. */
const HEADER_NAMES = /^(?=.{1,1000}$)[\w-]+(?:, ?[\w-]+)*$/;

/** A day; browsers cap it at less. */
const PREFLIGHT_MAX_AGE_SECONDS = 86_400;

/**
 * CORS on every answer of a tenant's paths, refusals included: an error that a page may not read looks like a network
 * failure to it, and is tried again. Pages of origins that the tenant does not list get no permission, and what they ask
 * for is refused before anything else happens. No cookies are involved, so credentials mode is never allowed.
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
      // What else a page sends, say its tracing, is let through and not read.
      const others = c.req.header("access-control-request-headers") ?? "";
      c.header(
        "Access-Control-Allow-Headers",
        HEADER_NAMES.test(others) ? `${ALLOW_HEADERS}, ${others}` : ALLOW_HEADERS,
      );
      c.header("Vary", "Origin, Access-Control-Request-Headers");
      c.header("Access-Control-Max-Age", String(PREFLIGHT_MAX_AGE_SECONDS));
    } else if (!allowed)
      return respondProblem(
        c,
        problem("origin_not_allowed", "Pages of this origin may not use this tenant's endpoint.", {
          facts: { origin: truncate(origin) },
        }),
      );
    return next();
  };
}

/** An origin of a tenant that is not known is let through to the refusal that a made-up credential would get as well. */
async function isAllowed(registry: Pick<Registry, "tenant">, c: Context<AppEnv>, origin: string): Promise<boolean> {
  const id = c.req.param("tenant") ?? "";
  if (!TENANT_ID.test(id)) return true;
  const tenant = await registry.tenant(id);
  return !tenant.ok || !tenant.value || originAllowed(tenant.value.policy, origin);
}
