import { env } from "cloudflare:workers";
import { beforeEach, expect } from "vitest";
import { USUAL_MAXIMA } from "../../../src/core/stream/rules/defaults.ts";
import { parseVideo } from "../../../src/core/stream/rules/parse-video.ts";
import { encodeUploadMetadata } from "../../../src/core/uploads/rules/upload-metadata.ts";
import { hmacIssuer } from "../../support/hmac-issuer.ts";
import { resetLocalStream } from "./local-stream-fixture.ts";
import { asOperator, request, seedTenant } from "./worker.ts";

/** The tenant `acme` in front of the local Stream, with grants, keys and JWTs. */

export const JWT_ISSUER = {
  ...hmacIssuer.document,
  tenant: { fixed: "acme" },
  scopes: ["uploads:create", "uploads:read", "uploads:delete", "grants:create"],
};

/** Credentials of the current test. */
export const acme = { key: "", jwt: "" };

export function resetAcme(): void {
  resetLocalStream();
  beforeEach(async () => {
    acme.key = await newKey();
    await asOperator("PUT", "/issuers/acme", JWT_ISSUER);
    acme.jwt = await hmacIssuer.sign("user-1");
  });
}

/** A further API key. */
export const newKey = (policy: object = {}, settings: object = { name: "test" }) =>
  seedTenant("acme", { upstream: "live", policy }, settings);

export const as = (credential: string, method: string, path: string, init: RequestInit = {}) =>
  request(method, `/v1/acme${path}`, { ...init, headers: { Authorization: `Bearer ${credential}`, ...init.headers } });

export const postJson = (body: object) => ({
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(body),
});

export async function mint(body: object = {}, minter = acme.key): Promise<string> {
  const minted = await as(minter, "POST", "/grants", postJson(body));
  expect(minted.status).toBe(201);
  return (await minted.json<{ grant: string }>()).grant;
}

/** A tus creation of five bytes. */
export const post = (credential: string, metadata: Record<string, string> = {}, headers: Record<string, string> = {}) =>
  as(credential, "POST", "/uploads", {
    headers: {
      "Tus-Resumable": "1.0.0",
      "Upload-Length": "5",
      "Upload-Metadata": encodeUploadMetadata(Object.entries(metadata)),
      ...headers,
    },
  });

export async function create(
  ...args: Parameters<typeof post>
): Promise<{ readonly id: string; readonly uid: string; readonly replayed: boolean }> {
  const { status, headers } = await post(...args);
  expect(status).toBe(201);
  return {
    id: headers.get("sluice-upload-id") ?? "",
    uid: headers.get("stream-media-id") ?? "",
    replayed: headers.get("idempotency-replayed") === "true",
  };
}

export const documentOf = async (id: string) => (await as(acme.key, "GET", `/uploads/${id}`)).json<object>();

export const statusOf = async (response: Promise<Response>) => (await response).status;

/** Stream reports the video. */
export async function report(uid: string, state: string, more: object = {}): Promise<void> {
  const video = parseVideo({ uid, status: { state }, duration: 12, ...more }, USUAL_MAXIMA);
  if (video) await env.LEDGER.getByName("acme").record("live", video);
}
