import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { SignJWT, UnsecuredJWT } from "jose";
import { describe, expect, it } from "vitest";
import { createRegistry } from "../../../src/adapters/d1/cached-registry.ts";
import { createFieldEncryption } from "../../../src/adapters/d1/field-encryption.ts";
import { createApp } from "../../../src/app.ts";
import { parseConfig } from "../../../src/config.ts";
import { createDependencies } from "../../../src/dependencies.ts";
import { formatApiKey } from "../../../src/core/auth/rules/api-key.ts";
import { asOperator, codeOf, request, seedTenant } from "../support/worker.ts";

/** More than the burst of negative lookups. */
const FLOOD = 250;
/** Nothing listens here, so a request that reaches Stream was authenticated and admitted. */
const NOWHERE = "http://127.0.0.1:9";
const ADMITTED = "stream_unreachable";
const BUSY = "registry_busy";

const config = parseConfig(env);
const encryption = createFieldEncryption(config.masterKeys);

/** An isolate with an empty cache. Its registry's clock is stopped, so the limiter is never refilled. */
function coldIsolate() {
  const started = Date.now();
  const registry = createRegistry(env.DB, config, encryption, () => started);
  const app = createApp({ ...createDependencies(env, config), registry });
  return async (method: string, path: string, headers: Record<string, string>) => {
    const context = createExecutionContext();
    const answer = await app.fetch(new Request(`https://sluice.example${path}`, { method, headers }), env, context);
    await waitOnExecutionContext(context);
    return answer;
  };
}

type Isolate = ReturnType<typeof coldIsolate>;

const bearer = (credential: string) => ({ authorization: `Bearer ${credential}` });
const post = (isolate: Isolate, tenant: string, headers: Record<string, string>) =>
  isolate("POST", `/v1/${tenant}/uploads`, { "tus-resumable": "1.0.0", "upload-length": "5", ...headers });
const page = { origin: "https://any.example" };

const SECRET = "a-secret-of-32-bytes-for-the-test";
const claims = (iss: string) => ({ iss, aud: "sluice", sub: "user-1", exp: Math.floor(Date.now() / 1000) + 600 });

async function mint(tenant: string, credential: string): Promise<string> {
  const headers = { ...bearer(credential), "content-type": "application/json" };
  const minted = await request("POST", `/v1/${tenant}/grants`, { headers, body: "{}" });
  return (await minted.json<{ grant: string }>()).grant;
}

/** Creates tenants on an upstream, with one credential each. */
async function seed() {
  await asOperator("PUT", "/upstreams/eu?check=false", { accountId: "abc", apiToken: "token", apiBase: NOWHERE });
  const on = { upstream: "eu" };
  const key = await seedTenant("with-key", on);
  await seedTenant("with-jwt", on);
  const scopes = ["uploads:create", "grants:create"];
  const issuer = {
    issuer: "https://idp.example/",
    audiences: ["sluice"],
    tenant: { fixed: "with-jwt" },
    keys: { secrets: [SECRET] },
    scopes,
  };
  await asOperator("PUT", "/issuers/idp", issuer);
  const jwt = await new SignJWT(claims(issuer.issuer))
    .setProtectedHeader({ alg: "HS256" })
    .sign(new TextEncoder().encode(SECRET));
  const grant = await mint("with-grant", await seedTenant("with-grant", on));
  const jwtGrant = await mint("with-jwt", jwt);
  return { key, jwt, grant, jwtGrant };
}

// Each test makes hundreds of requests.
describe("the negative-lookup limit", { timeout: 20_000 }, () => {
  it("serves many concurrent requests with one valid key in a cold isolate", async () => {
    const { key } = await seed();
    const isolate = coldIsolate();
    const codes = await Promise.all(
      Array.from({ length: FLOOD }, () => codeOf(isolate("GET", "/v1/with-key/usage", bearer(key)))),
    );
    expect(new Set(codes)).toEqual(new Set([undefined]));
  });

  it.each<[string, (isolate: Isolate, index: number) => Promise<unknown>, { key?: string; jwt?: string }]>([
    [
      "preflights for made-up tenants",
      (isolate, index) => isolate("OPTIONS", `/v1/made-up-${index}/uploads`, page),
      {},
    ],
    ["browser requests to made-up tenants", (isolate, index) => post(isolate, `made-up-${index}`, page), {}],
    [
      "invalid credentials for made-up tenants",
      (isolate, index) => post(isolate, `made-up-${index}`, bearer("junk")),
      {},
    ],
    [
      "notifications of made-up upstreams",
      (isolate, index) => {
        const signature = `time=${Math.floor(Date.now() / 1000)},sig1=${"0".repeat(64)}`;
        return isolate("POST", `/hooks/stream/made-up-${index}`, { "webhook-signature": signature });
      },
      {},
    ],
    [
      "well-formed keys that do not exist",
      (isolate, index) => {
        const made = formatApiKey(String(index).padStart(16, "0"), "b".repeat(43));
        return post(isolate, `made-up-${index}`, bearer(made.text));
      },
      // Only a lookup can tell a real key from a made-up one.
      { key: BUSY },
    ],
    [
      "tokens of made-up issuers",
      (isolate, index) => {
        const token = new UnsecuredJWT(claims(`https://idp-${index}.example/`)).encode();
        return post(isolate, `made-up-${index}`, bearer(token));
      },
      { jwt: BUSY },
    ],
  ])("after a flood of %s, admits valid credentials of every other kind", async (_, flood, busy) => {
    const { key, jwt, grant, jwtGrant } = await seed();
    const isolate = coldIsolate();
    for (let index = 0; index < FLOOD; index++) await flood(isolate, index);
    const codes = {
      key: await codeOf(post(isolate, "with-key", bearer(key))),
      jwt: await codeOf(post(isolate, "with-jwt", bearer(jwt))),
      grant: await codeOf(post(isolate, "with-grant", { ...bearer(grant), ...page })),
      jwtGrant: await codeOf(post(isolate, "with-jwt", bearer(jwtGrant))),
    };
    expect(codes).toEqual({ key: ADMITTED, jwt: ADMITTED, grant: ADMITTED, jwtGrant: ADMITTED, ...busy });
  });
});
