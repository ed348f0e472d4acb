import { generateKeyPairSync } from "node:crypto";
import type { LocalStream } from "../../src/local-stream/local-stream.ts";
import type { Random } from "./random.ts";
import { brokenBytes, oddJson, oddText } from "./values.ts";

/** Members of the operator's documents. */
const MEMBERS = [
  "plan",
  "policy",
  "limits",
  "creator",
  "prefix",
  "effective",
  "provisionedBy",
  "warnings",
  "anyAudience",
  "authorizedParties",
  "issuerPart",
  "discovery",
  "jwksUrl",
  "secrets",
  "fixed",
  "claim",
  "map",
  "transform",
  "namespace",
  "require",
  "provision",
  "maxTenants",
  "name",
  "header",
  "*",
] as const;

/** Stands in a document for a piece of JSON that no value has, such as `1e999`. */
const RAW = /"@raw(\d+)@"/g;

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** A JSON body: a valid document, mostly with one thing changed. */
export function jsonBody(random: Random, document: object): Buffer {
  const json = structuredClone(document) as Json;
  if (random.chance(0.3)) return Buffer.from(JSON.stringify(json));
  const raw: string[] = [];
  changeOne(random, json, () => `@raw${raw.push(oddJson(random)) - 1}@`);
  const text = JSON.stringify(json).replaceAll(RAW, (_, index) => raw[Number(index)] ?? "");
  if (random.chance(0.1)) return brokenBytes(random, text);
  if (random.chance(0.05)) return Buffer.from(oddJson(random));
  // A repeated member.
  return Buffer.from(random.chance(0.05) ? text.replace("{", `{${/"[^"]+":[^,{[]+,/.exec(text)?.[0] ?? ""}`) : text);
}

/** Replaces, adds or removes one member at any depth. */
function changeOne(random: Random, json: Json, newRaw: () => string): void {
  const parents: (Json[] | { [key: string]: Json })[] = [];
  const collect = (value: Json): void => {
    if (typeof value !== "object" || value === null) return;
    parents.push(value);
    for (const child of Object.values(value)) collect(child);
  };
  collect(json);
  const parent = random.pick(parents);
  if (!parent) return;
  const odd = newRaw();
  if (Array.isArray(parent)) return void parent.splice(random.below(parent.length + 1), random.below(2), odd);
  const key = random.pick(Object.keys(parent));
  const what = random.below(4);
  if (what === 0 || key === undefined) define(parent, random.chance(0.5) ? random.pick(MEMBERS) : oddText(random), odd);
  else if (what === 1) delete parent[key];
  else if (what === 2) define(parent, random.spliced(key, random.pick(["s", "_", "", "\u0000"])), parent[key] ?? null);
  else parent[key] = odd;
}

/** Also a member `__proto__`. */
function define(object: object, key: string, value: Json): void {
  Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
}

/** The only profile of the local Stream. */
const WATERMARK = "ea95132c15732412d22c1476fa83f27a";

/** A policy with all kinds of rules. */
export const POLICY = {
  upload: { maxBytes: 5_000_000_000, minBytes: 0, fileTypes: ["video/*"] },
  metadata: {
    name: { default: "Untitled", maxLength: 200 },
    maxdurationseconds: { default: 600, max: 3_600, onViolation: "clamp" },
    allowedorigins: { within: ["*.example"] },
    requiresignedurls: { default: true },
    thumbnailtimestamppct: { max: 0.9 },
    watermark: { oneOf: [WATERMARK] },
    scheduleddeletion: { default: "P90D", min: "P30D", max: "P1Y" },
    expiry: { default: "auto", max: "PT6H" },
  },
  creator: { from: "caller" },
  origins: ["https://app.example"],
  features: ["playback", "edit", "copy", "captions", "downloads", "clip"],
  playback: {
    maxSeconds: 7_200,
    accessRules: [
      { type: "ip.geoip.country", action: "block", country: ["US"] },
      { type: "ip.src", action: "block", ip: ["192.0.2.0/24", "2001:db8::1"] },
    ],
    downloadable: true,
  },
};

const LIMITS = {
  pending: 50,
  pendingPerCreator: 5,
  storedSeconds: 3_600_000,
  rate: { tenant: 60, creator: 6 },
  quota: { month: { uploads: 1_000, bytes: 5e12, seconds: 360_000 }, day: { uploads: 100 } },
};

const JWK = {
  kty: "EC",
  crv: "P-256",
  x: "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
  y: "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
};

/** Two, as while one is being replaced. */
export const ISSUER_SECRETS = ["the-secret-of-an-issuer-of-the-fuzz", "the-next-secret-of-an-issuer-of-the-fuzz"];

/** A private key, which is of no use anywhere. */
const SIGNING_JWK = generateKeyPairSync("rsa", { modulusLength: 2_048 }).privateKey.export({ format: "jwk" });

const BLOCK = { type: "ip.geoip.country", action: "block", country: ["FR"] };

const HOUR_MS = 3_600_000;
const hence = (hours: number) => new Date(Date.now() + hours * HOUR_MS).toISOString();

/** Of a copy or a clip. */
const A_VIDEO = {
  name: "A name",
  creator: "user-1",
  meta: { note: 1 },
  allowedOrigins: ["app.example"],
  requireSignedURLs: true,
  scheduledDeletion: hence(40 * 24),
  thumbnailTimestampPct: 0.5,
  watermark: { uid: WATERMARK },
};

/** A valid body of each route that has one. */
export const documentsFor = (stream: LocalStream) => ({
  direct: {
    maxDurationSeconds: 60,
    creator: "user-1",
    expiry: hence(2),
    meta: { name: "A name", note: 1 },
    allowedOrigins: ["app.example"],
    requireSignedURLs: true,
    scheduledDeletion: hence(40 * 24),
    thumbnailTimestampPct: 0.5,
    watermark: { uid: WATERMARK },
  },
  copy: { ...A_VIDEO, input: `${stream.url}/no-such-file.mp4`, bytes: 5, maxDurationSeconds: 60 },
  clip: { ...A_VIDEO, startTimeSeconds: 0, endTimeSeconds: 1 },
  clipOfVideo: { ...A_VIDEO, startTimeSeconds: 0, endTimeSeconds: 1, clippedFromVideoUID: "0".repeat(32) },
  edit: {
    meta: { name: "A name", note: 1, gone: null },
    requireSignedURLs: false,
    allowedOrigins: ["app.example"],
    thumbnailTimestampPct: 0.5,
    scheduledDeletion: hence(40 * 24),
    publicDetails: { title: "A title", share_link: "https://app.example/1", logo: null },
    creator: "user-1",
    maxDurationSeconds: 90,
    uploadExpiry: hence(2),
  },
  grant: { subject: "user-1", expiresIn: 600, reference: "order-1", uploads: 3, playback: true, policy: POLICY },
  check: {
    length: 1_000,
    metadata: { name: "A name", maxdurationseconds: "60" },
    creator: "user-1",
    origin: "https://app.example",
    grant: { subject: "user-1", policy: POLICY },
  },
  tenant: {
    name: "Scratch",
    plan: null,
    policy: POLICY,
    limits: LIMITS,
    upstream: "default",
    suspended: false,
    unfinishedUploads: "keep",
  },
  tenantOnPlan: {
    plan: "scratch-1",
    policy: {
      upload: { maxBytes: null, minBytes: 5 },
      metadata: { name: null, maxdurationseconds: { max: 60 } },
      custom: { "*": { allow: ["course"] }, lesson: null },
      creator: null,
      origins: null,
      features: null,
      playback: { maxSeconds: null, accessRules: null, downloadable: false },
    },
    limits: { pending: null, storedSeconds: 60, rate: { tenant: null }, quota: { day: { uploads: null, bytes: 1 } } },
  },
  plan: { name: "Scratch", policy: POLICY, limits: LIMITS, upstream: "default" },
  key: { name: "scratch", scopes: ["uploads:create"], expiresAt: hence(24) },
  endpoint: { url: "https://hooks.example/a", description: "Scratch", events: ["upload.ready"], disabled: true },
  issuerCheck: { token: "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJodHRwczovL3NjcmF0Y2guZXhhbXBsZS8ifQ.AAAA" },
  issuer: {
    issuer: "https://scratch.example/{tenant}/",
    issuerPart: "tid",
    audiences: ["sluice"],
    authorizedParties: ["web"],
    algorithms: ["ES256"],
    keys: { jwks: { keys: [JWK] } },
    tenant: { claim: "org", map: { org_1: "scratch-1" }, transform: "slug" },
    subject: { claim: ["sub", "/user/id"], namespace: "scratch" },
    scopes: { claim: "permissions", map: { write: ["uploads:create"] } },
    require: { email_verified: true, amr: ["mfa"] },
    header: "cf-access-jwt-assertion",
    maxGrantSeconds: 600,
  },
  issuerWithSecrets: {
    issuer: "https://secret.example/",
    audiences: ["sluice"],
    keys: { secrets: [...ISSUER_SECRETS] },
    tenant: { fixed: "scratch-1" },
    subject: { namespace: "scratch" },
    scopes: ["uploads:create"],
  },
  provisioningIssuer: {
    issuer: "https://maker.example/",
    anyAudience: true,
    keys: { discovery: true },
    tenant: { claim: "/o/id", transform: "slug" },
    provision: { plan: "scratch-2", maxTenants: 2, maxPerMinute: 1 },
    name: { claim: "org_name" },
  },
  upstream: {
    accountId: stream.accountId,
    apiBase: stream.apiBase,
    uploadHosts: [stream.uploadHost],
    callsPerWindow: 1_000,
    maxUploadBytes: 1_000_000,
    maxVideoSeconds: 36_000,
    apiToken: stream.token,
    webhookSecrets: ["a-secret-of-the-scratch-upstream"],
  },
  playback: { expiresIn: 600, nbf: 1_700_000_000, downloadable: false, accessRules: [BLOCK] },
  streamToken: {
    exp: Math.floor((Date.now() + HOUR_MS) / 1000),
    nbf: 1_700_000_000,
    downloadable: false,
    accessRules: [BLOCK],
    id: "key",
    pem: "pem",
    flags: { original: true },
  },
  signingKey: { id: "scratch-key", jwk: SIGNING_JWK },
  webhook: { gateway: "https://gateway.example", force: true },
  redelivery: { endpoint: "hook" },
  notification: {
    uid: "0".repeat(32),
    creator: "user-1",
    meta: { name: "A name" },
    status: { state: "ready", pctComplete: "100", errorReasonCode: "", errorReasonText: "" },
    duration: 12.5,
    size: 1_000,
    maxDurationSeconds: 60,
    readyToStream: true,
    created: hence(0),
    uploadExpiry: hence(1),
    input: { width: 1_920, height: 1_080 },
    playback: { hls: "https://a.example/hls", dash: "https://a.example/dash" },
  },
});

export type Documents = ReturnType<typeof documentsFor>;

/** Documents of another form for the same route. */
export const OTHER_FORMS: { readonly [Name in keyof Documents]?: readonly (keyof Documents)[] } = {
  tenant: ["tenantOnPlan"],
  issuer: ["issuerWithSecrets", "provisioningIssuer"],
};
