import { Routes } from "../../routes.ts";
import * as v from "valibot";
import type { Config } from "../../../config.ts";
import { DEFAULT_CALLS_PER_WINDOW, MAX_CALLS_PER_WINDOW } from "../../../core/budget/rules/call-window.ts";
import type { AdminRegistry } from "../../../core/ports/admin-registry.ts";
import type { CachedRegistry } from "../../../core/ports/registry.ts";
import type { UpstreamSettings } from "../../../core/shared/admin-documents.ts";
import { problem } from "../../../core/shared/problem.ts";
import { err, ok } from "../../../core/shared/result.ts";
import { isFetchableUrl } from "../../../core/shared/fetched-url.ts";
import { jsonObject } from "../../../core/shared/strict-object.ts";
import { DEFAULT_UPSTREAM } from "../../../core/shared/tenant.ts";
import {
  ANY_ACCOUNT,
  MAX_WEBHOOK_SECRETS,
  STREAM_API_BASE,
  STREAM_UPLOAD_HOSTS,
  USUAL_MAXIMA,
  WEBHOOK_SECRET,
} from "../../../core/stream/rules/defaults.ts";
import { type CheckUpstreamPorts, checkNewUpstream, checkUpstream } from "../../../core/stream/check-upstream.ts";
import { type Upstream, requireUpstream } from "../../../core/stream/rules/upstream.ts";
import { handle } from "../../pipeline/handle.ts";
import { pageOf, pageParameters } from "../../pipeline/pagination.ts";
import { flagOn } from "../../pipeline/query.ts";
import { resource } from "../../pipeline/resource.ts";
import { fetchableUrl } from "../../../core/shared/fields.ts";

/** Goes into a request header as it is. */
const secret = v.pipe(v.string(), v.regex(/^[\x21-\x7e]{1,500}$/, "must be printable ASCII without blanks"));
/** As `URL.host` writes it, because it is compared with that: no `:443`. */
const host = (allowLoopback: boolean) =>
  v.pipe(
    v.string(),
    v.check(
      (text) => URL.parse(`https://${text}`)?.host === text && isFetchableUrl(`https://${text}`, allowLoopback),
      "must be a public host in lower case, with its port unless that is 443",
    ),
  );

const upstreamSchema = (allowLoopback: boolean) =>
  v.pipe(
    jsonObject({
      accountId: v.pipe(v.string(), v.regex(/^[\w-]{1,32}$/, "must be an account id of at most 32 characters")),
      apiBase: v.optional(
        v.pipe(
          fetchableUrl(allowLoopback),
          v.check((url) => !/[?#]/.test(url), "must be a URL without query and fragment"),
        ),
        STREAM_API_BASE,
      ),
      uploadHosts: v.optional(
        v.pipe(v.array(host(allowLoopback)), v.minLength(1), v.maxLength(20)),
        STREAM_UPLOAD_HOSTS.split(","),
      ),
      callsPerWindow: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(MAX_CALLS_PER_WINDOW))),
      maxUploadBytes: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(1))),
      maxVideoSeconds: v.optional(
        v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(ANY_ACCOUNT.maxVideoSeconds)),
      ),
      apiToken: v.optional(secret),
      apiEmail: v.optional(secret),
      apiKey: v.optional(secret),
      /** Absent: the stored ones stay while the account stays the same. They are never shown, so they cannot be sent again. */
      webhookSecrets: v.optional(
        v.pipe(
          v.array(v.pipe(v.string(), v.regex(WEBHOOK_SECRET, "must be 16 to 200 printable characters, and no comma"))),
          v.maxLength(MAX_WEBHOOK_SECRETS),
        ),
      ),
    }),
    v.check(
      ({ apiToken, apiEmail, apiKey }) => (apiToken ? !apiEmail && !apiKey : Boolean(apiEmail && apiKey)),
      "must have either apiToken, or apiEmail and apiKey",
    ),
  );

const listQuery = v.object(pageParameters());

const putQuery = v.object({
  /** Asks Stream before the document is stored. */
  check: flagOn,
});

export interface UpstreamRoutePorts extends CheckUpstreamPorts {
  readonly adminRegistry: Pick<AdminRegistry, "upstreams">;
  readonly registry: CachedRegistry;
  readonly config: Pick<Config, "allowLoopback">;
  /** Milliseconds since the epoch. */
  readonly nowMs: () => number;
}

/** `upstreams`, `upstreams/:id` and `…/check`: Stream accounts. The environment configures the one named `default`. */
export function upstreamRoutes(ports: UpstreamRoutePorts): Routes {
  const { upstreams } = ports.adminRegistry;
  const routes = new Routes();
  const body = upstreamSchema(ports.config.allowLoopback);

  resource(routes, "/", {
    GET: handle({ query: listQuery }, async (c, { query }) =>
      c.json(pageOf("upstreams", await upstreams.list(query), query.limit)),
    ),
  });

  resource(routes, "/:id", {
    GET: handle({ slugs: ["id"] }, async (c, { path }) => {
      const document = await upstreams.get(path.id);
      return document ? c.json(document) : err(NO_SUCH_UPSTREAM);
    }),

    PUT: handle({ slugs: ["id"], query: putQuery, body }, async (c, { path: { id }, query, body }) => {
      if (id === DEFAULT_UPSTREAM) return err(MANAGED_BY_ENVIRONMENT);
      const { apiBase, apiToken: token, apiEmail: email = "", apiKey: key = "", ...others } = body;
      const credential: Upstream["credential"] = token ? { kind: "token", token } : { kind: "key", email, key };
      const settings: UpstreamSettings = { ...others, apiBase: apiBase.replace(/\/+$/, ""), credential };
      const warnings = query.check ? await checkNewUpstream(ports, toUpstream(id, settings)) : ok([]);
      if (!warnings.ok) return warnings;
      const put = await upstreams.put(id, settings);
      if (!put.ok) return put;
      return c.json({ ...put.value.document, warnings: warnings.value }, put.value.created ? 201 : 200);
    }),

    DELETE: handle({}, async (c) => {
      const id = c.req.param("id") ?? "";
      if (id === DEFAULT_UPSTREAM) return err(MANAGED_BY_ENVIRONMENT);
      const deleted = await upstreams.delete(id);
      if (!deleted.ok) return deleted;
      return deleted.value ? c.body(null, 204) : err(NO_SUCH_UPSTREAM);
    }),
  });

  resource(routes, "/:id/check", {
    POST: handle({ slugs: ["id"] }, async (c, { path }) => {
      const upstream = requireUpstream(await ports.registry.uncached.upstream(path.id, "trusted"), NO_SUCH_UPSTREAM);
      if (!upstream.ok) return upstream;
      const checked = await checkUpstream(ports, upstream.value);
      const checkedAt = new Date(ports.nowMs()).toISOString();
      if (checked.ok) return c.json({ ok: true, checkedAt });
      const { code, detail, retryAfterSeconds } = checked.problem;
      return c.json({ ok: false, checkedAt, problem: { code, detail, retryAfterSeconds } });
    }),
  });
  return routes;
}

/** What a call to Stream needs of an upstream that is not stored yet. */
function toUpstream(
  id: string,
  { callsPerWindow = DEFAULT_CALLS_PER_WINDOW, ...settings }: UpstreamSettings,
): Upstream {
  return { ...settings, id, callsPerWindow, ...USUAL_MAXIMA, webhookSecrets: [] };
}

export const MANAGED_BY_ENVIRONMENT = problem(
  "conflict",
  "The upstream default is configured by the environment and cannot be changed here.",
);
export const NO_SUCH_UPSTREAM = problem("not_found", "There is no such upstream.");
