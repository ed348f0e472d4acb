import { Hono } from "hono";
import * as v from "valibot";
import { jsonObject } from "../../../core/shared/strict-object.ts";
import type { RegistryStore } from "../../../adapters/d1/admin-registry.ts";
import type { UpstreamRow } from "../../../adapters/d1/rows.ts";
import { type Config } from "../../../config.ts";
import {
  MAX_WEBHOOK_SECRETS,
  STREAM_API_BASE,
  STREAM_UPLOAD_HOSTS,
  WEBHOOK_SECRET,
} from "../../../core/stream/rules/defaults.ts";
import { MAX_CALLS_PER_WINDOW } from "../../../core/budget/rules/call-window.ts";
import { problem } from "../../../core/shared/problem.ts";
import { DEFAULT_UPSTREAM } from "../../../core/shared/tenant.ts";
import type { AppEnv } from "../../app-env.ts";
import type { Upstream } from "../../../core/stream/rules/upstream.ts";
import { allowOnly } from "../../pipeline/method-not-allowed.ts";
import { respondProblem } from "../../pipeline/problem-response.ts";
import { readJson } from "../../pipeline/json-body.ts";
import { pageOf, readPage, readSlug, safeUrl } from "./schemas.ts";

/** What may stand in a header as it is. */
const secret = v.pipe(v.string(), v.regex(/^[\x21-\x7e]{1,500}$/, "must be printable ASCII without blanks"));
/** As `URL.host` has it, since that is what it is compared with: no `:443`. */
const host = v.pipe(
  v.string(),
  v.check(
    (text) =>
      /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?(:\d{1,5})?$/.test(text) &&
      URL.canParse(`https://${text}`) &&
      new URL(`https://${text}`).host === text,
    "must be a host in lower case, with its port where that is not 443",
  ),
);

const upstreamSchema = (allowLoopback: boolean) =>
  v.pipe(
    jsonObject({
      accountId: v.pipe(v.string(), v.regex(/^[\w-]{1,32}$/, "must be an account id of at most 32 characters")),
      apiBase: v.optional(
        v.pipe(
          safeUrl(allowLoopback),
          v.check((url) => !/[?#]/.test(url), "must be a URL that paths can be added to"),
        ),
        STREAM_API_BASE,
      ),
      uploadHosts: v.optional(v.pipe(v.array(host), v.minLength(1), v.maxLength(20)), STREAM_UPLOAD_HOSTS.split(",")),
      callsPerWindow: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(MAX_CALLS_PER_WINDOW))),
      apiToken: v.optional(secret),
      apiEmail: v.optional(secret),
      apiKey: v.optional(secret),
      /** Absent: those that are there stay, as long as the account does; they are never shown, and cannot be sent again. */
      webhookSecrets: v.optional(
        v.pipe(
          v.array(v.pipe(v.string(), v.regex(WEBHOOK_SECRET, "must be 16 to 200 printable characters, and no comma"))),
          v.maxLength(MAX_WEBHOOK_SECRETS),
        ),
      ),
    }),
    v.check(
      ({ apiToken, apiEmail, apiKey }) => (apiToken ? !apiEmail && !apiKey : Boolean(apiEmail && apiKey)),
      "give either apiToken, or apiEmail and apiKey",
    ),
  );

/** `upstreams` and `upstreams/:id`: Stream accounts. The one named `default` is the environment's. */
export function upstreamRoutes(store: RegistryStore, config: Pick<Config, "allowLoopback">): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();
  const schema = upstreamSchema(config.allowLoopback);

  routes.get("/", async (c) => {
    const page = readPage(c);
    if (!page.ok) return respondProblem(c, page.problem);
    return c.json(pageOf("upstreams", (await store.upstreams(page.value)).map(documentOf), page.value));
  });

  routes.put("/:id", async (c) => {
    const id = readSlug(c, "id");
    if (!id.ok) return respondProblem(c, id.problem);
    if (id.value === DEFAULT_UPSTREAM) return respondProblem(c, managedByEnvironment);
    const body = await readJson(c.req.raw, schema);
    if (!body.ok) return respondProblem(c, body.problem);
    const {
      accountId,
      apiBase,
      uploadHosts,
      callsPerWindow,
      apiToken: token,
      apiEmail: email = "",
      apiKey: key = "",
      webhookSecrets,
    } = body.value;
    const credential: Upstream["credential"] = token ? { kind: "token", token } : { kind: "key", email, key };

    const before = await store.upstream(id.value);
    const row = {
      id: id.value,
      account_id: accountId,
      api_base: apiBase.replace(/\/+$/, ""),
      upload_hosts: JSON.stringify(uploadHosts),
      calls_per_window: callsPerWindow ?? null,
    };
    if ((await store.putUpstream({ ...row, credential: JSON.stringify(credential), webhookSecrets })) === 0)
      return respondProblem(c, problem("conflict", "Tenants are on this upstream: it cannot be another account's."));
    return c.json(documentOf(row), before ? 200 : 201);
  });

  routes.get("/:id", async (c) => {
    const id = readSlug(c, "id");
    if (!id.ok) return respondProblem(c, id.problem);
    const row = await store.upstream(id.value);
    return row ? c.json(documentOf(row)) : respondProblem(c, noSuchUpstream);
  });

  routes.delete("/:id", async (c) => {
    const id = c.req.param("id");
    if (id === DEFAULT_UPSTREAM) return respondProblem(c, managedByEnvironment);
    if ((await store.deleteUpstream(id)) > 0) return c.body(null, 204);
    return respondProblem(
      c,
      (await store.upstream(id)) ? problem("conflict", "Tenants are on this upstream.") : noSuchUpstream,
    );
  });

  routes.all("/", allowOnly("GET", "HEAD"));
  routes.all("/:id", allowOnly("DELETE", "GET", "HEAD", "PUT"));
  return routes;
}

export const managedByEnvironment = problem("conflict", "The upstream default is configured by the environment.");
export const noSuchUpstream = problem("not_found", "There is no such upstream.");

/** The credential stays where it is, and so do the webhook's secrets. */
function documentOf(row: Omit<UpstreamRow, "sealed_credential" | "sealed_webhook_secrets">) {
  return {
    id: row.id,
    accountId: row.account_id,
    apiBase: row.api_base,
    uploadHosts: JSON.parse(row.upload_hosts) as unknown,
    ...(row.calls_per_window !== null && { callsPerWindow: row.calls_per_window }),
  };
}
