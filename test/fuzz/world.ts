import { createHmac, randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { SignJWT } from "jose";
import { SCOPES } from "../../src/core/auth/rules/scopes.ts";
import { type TestGateway, startTestGateway } from "../support/gateway.ts";
import type { GatewayTemplate } from "../support/gateway-template.ts";
import { bearer } from "../support/http.ts";
import { OPERATOR_TOKEN } from "../support/operator-api.ts";
import { uploadVideo } from "../support/ready-video.ts";
import { formOf } from "../support/route-table.ts";
import { type Documents, ISSUER_SECRETS, POLICY, documentsFor } from "./documents.ts";

/** What the fuzz runs against: a gateway, its tenants, credentials of all kinds, and the uploads that it creates. */

export interface Credential {
  readonly name: string;
  readonly token: string;
  /** The tenant that accepts it. */
  readonly tenant?: string;
  readonly isOperator?: boolean;
  readonly isGrant?: boolean;
}

export interface World {
  readonly gateway: TestGateway;
  readonly webhookSecret: string;
  /** A key for each tenant that creates uploads. */
  readonly tenantKeys: Readonly<Record<string, string>>;
  readonly credentials: readonly Credential[];
  /** The latest uploads of each tenant. */
  readonly uploads: { readonly tenant: string; readonly id: string; readonly uid: string }[];
  /** Videos that are ready, with captions. */
  readonly ready: World["uploads"];
  /** The latest API keys that the fuzz has made. */
  readonly keys: { readonly tenant: string; readonly id: string }[];
  /** The latest signing keys that the fuzz has made. */
  readonly signingKeys: { readonly upstream: string; readonly id: string }[];
  readonly documents: Documents;
  /** Texts that no answer and no line of the log may contain. */
  readonly secrets: readonly string[];
}

/** Of captions. */
export const LANGUAGES = ["en", "de", "pt-BR"] as const;

/** Tenants that the fuzz never changes. `plain` has no policy and no limits, `other` has a plan's, `strict` has its own, and `sleepy` is suspended. */
export const TENANTS = ["plain", "strict", "other", "sleepy"] as const;
/** Ids of tenants, plans, issuers and upstreams that the operator's requests change. */
export const SCRATCH = ["scratch-1", "scratch-2", "scratch-3", "scratch-4"] as const;
/** The only origin that `strict` lists. */
export const STRICT_ORIGIN = "https://app.example";

const DAY_SECONDS = 86_400;
const KEY_LIFE_MS = 1_000;
const STREAM = { apiLimit: 1_000_000, maxQueued: 1_000_000, storageSeconds: 1e12 };

/** @param template see `startTestGateway` */
export async function createWorld(template?: GatewayTemplate): Promise<World> {
  const webhookSecret = randomBytes(16).toString("hex");
  const settings = { STREAM_CALLS_PER_WINDOW: "1000000", STREAM_WEBHOOK_SECRETS: webhookSecret };
  const gateway = await startTestGateway(settings, STREAM, template);
  const { operator } = gateway;
  await operator("PUT", "/plans/fuzz", {
    policy: { creator: { prefix: "fuzz-" }, playback: { downloadable: true } },
    limits: { pending: 10_000 },
  });
  const [plain, other, sleepy, strict] = await Promise.all([
    gateway.tenant("plain"),
    gateway.tenant("other", { plan: "fuzz" }),
    gateway.tenant("sleepy"),
    gateway.tenant("strict", { policy: POLICY, limits: { pending: 100, quota: { day: { uploads: 2_000 } } } }),
  ]);
  await operator("PUT", "/tenants/sleepy", { suspended: true, policy: {}, limits: {} });
  await operator("PUT", "/tenants/plain/endpoints/hook", { url: `${gateway.url}/healthz` });
  const documents = documentsFor(gateway.stream);
  for (const id of SCRATCH) {
    await operator("PUT", `/tenants/${id}`, documents.tenant);
    await operator("PUT", `/plans/${id}`, documents.plan);
    await operator("PUT", `/upstreams/${id}`, documents.upstream);
    await operator("PUT", `/issuers/${id}`, documents.issuer);
  }
  const narrow = await Promise.all(
    SCOPES.map((scope) => operator("POST", "/tenants/plain/keys", { name: scope, scopes: [scope] })),
  );
  const revoked = await operator("POST", "/tenants/plain/keys", { name: "revoked" });
  await operator("DELETE", `/tenants/plain/keys/${revoked["id"]}`);
  // It has expired by the time of the first request.
  const expiresAt = new Date(Date.now() + KEY_LIFE_MS).toISOString();
  const expired = await operator("POST", "/tenants/plain/keys", { name: "expired", expiresAt });

  const secret = randomBytes(24).toString("hex");
  const issuer = { issuer: "https://idp.example/", audiences: ["sluice"], keys: { secrets: [secret] } };
  await operator("PUT", "/issuers/fuzz", { ...issuer, tenant: { claim: "org" }, scopes: [...SCOPES] });
  await operator("PUT", "/issuers/maker", {
    ...issuer,
    issuer: "https://maker-of-fuzz.example/",
    tenant: { claim: "org" },
    scopes: [...SCOPES],
    provision: { plan: "fuzz" },
  });
  const jwt = (claims: object) =>
    new SignJWT({ iss: issuer.issuer, aud: "sluice", sub: "user-1", org: "plain", ...claims })
      .setProtectedHeader({ alg: "HS256" })
      .setExpirationTime("exp" in claims ? 1_000 : Math.floor(Date.now() / 1_000) + DAY_SECONDS)
      .sign(new TextEncoder().encode(secret));
  const grant = async (key: string, tenant: string, more: object) => {
    const answer = await fetch(`${gateway.url}/v1/${tenant}/grants`, {
      method: "POST",
      headers: { ...bearer(key), "Content-Type": "application/json" },
      body: JSON.stringify({ expiresIn: DAY_SECONDS, ...more }),
    });
    if (!answer.ok) throw new Error(await answer.text());
    return ((await answer.json()) as { grant: string }).grant;
  };

  const credentials: Credential[] = [
    { name: "the operator's token", token: OPERATOR_TOKEN, isOperator: true },
    { name: "a key of plain", token: plain, tenant: "plain" },
    { name: "a key of strict", token: strict, tenant: "strict" },
    { name: "a key of other", token: other, tenant: "other" },
    { name: "a key of a suspended tenant", token: sleepy },
    ...narrow.map(({ key = "" }, index) => ({ name: `a key for ${SCOPES[index]}`, token: key, tenant: "plain" })),
    { name: "a revoked key", token: revoked["key"] ?? "" },
    { name: "an expired key", token: expired["key"] ?? "" },
    { name: "a JWT", token: await jwt({}), tenant: "plain" },
    { name: "a JWT of other", token: await jwt({ org: "other" }), tenant: "other" },
    {
      name: "a JWT that makes its tenant",
      token: await jwt({ iss: "https://maker-of-fuzz.example/", org: "made" }),
      tenant: "made",
    },
    { name: "a JWT of no tenant", token: await jwt({ org: {} }) },
    { name: "an expired JWT", token: await jwt({ exp: 0 }) },
    { name: "a JWT for another audience", token: await jwt({ aud: ["another", 5] }) },
    { name: "a grant", token: await grant(plain, "plain", { uploads: 50 }), tenant: "plain", isGrant: true },
    {
      name: "a grant with a policy",
      token: await grant(strict, "strict", { subject: "user-1", policy: { upload: { maxBytes: 1_000 } } }),
      tenant: "strict",
      isGrant: true,
    },
    { name: "a grant of other", token: await grant(other, "other", {}), tenant: "other", isGrant: true },
  ];
  const secrets = [
    ...credentials.map(({ token }) => token),
    secret,
    ...ISSUER_SECRETS,
    webhookSecret,
    gateway.stream.token,
  ];
  await sleep(KEY_LIFE_MS);
  return {
    gateway,
    webhookSecret,
    tenantKeys: { plain, strict, other },
    credentials,
    uploads: [],
    ready: [
      ...(await readyVideos(gateway, webhookSecret, "plain", plain)),
      ...(await readyVideos(gateway, webhookSecret, "other", other)),
    ],
    keys: [],
    signingKeys: [],
    documents,
    secrets,
  };
}

/** As Stream signs a notification. */
export function webhookSignature(secret: string, body: Buffer): string {
  const time = Math.floor(Date.now() / 1_000);
  const digest = createHmac("sha256", secret).update(`${time}.`).update(body).digest("hex");
  return `time=${time},sig1=${digest}`;
}

/** The requests of the fuzz may delete some. */
const READY_VIDEOS = 5;

async function readyVideos(
  gateway: TestGateway,
  webhookSecret: string,
  tenant: string,
  key: string,
): Promise<World["uploads"]> {
  const videos: World["uploads"] = [];
  for (let made = 0; made < READY_VIDEOS; made++) {
    const uid = await uploadVideo(gateway, tenant, key);
    // The local Stream signs with another secret.
    const body = Buffer.from(JSON.stringify(await gateway.stream.settled(uid)));
    const headers = { "Webhook-Signature": webhookSignature(webhookSecret, body) };
    await fetch(`${gateway.url}/hooks/stream/default`, { method: "POST", headers, body });
    const url = `${gateway.url}/v1/${tenant}/uploads/${uid}`;
    const { id } = (await (await fetch(url, { headers: bearer(key) })).json()) as { id: string };
    for (const language of LANGUAGES)
      await fetch(`${url}/captions/${language}`, { method: "PUT", headers: bearer(key), body: formOf("WEBVTT\n") });
    videos.push({ tenant, id, uid });
  }
  return videos;
}
