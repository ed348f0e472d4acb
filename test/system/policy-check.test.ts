import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type TestGateway, startTestGateway } from "../support/gateway.ts";
import { hmacIssuer } from "../support/hmac-issuer.ts";
import { bearer } from "../support/http.ts";

let harness: TestGateway;
let key: string;
const POLICY = {
  upload: { maxBytes: 1_000 },
  metadata: { maxdurationseconds: { default: 600, max: 3_600, onViolation: "clamp" }, watermark: { oneOf: ["w1"] } },
};

beforeAll(async () => {
  harness = await startTestGateway();
  key = await harness.tenant("acme", { policy: POLICY });
});
afterAll(() => harness.stop());

async function check(body: unknown, credential = key) {
  const answer = await fetch(`${harness.url}/v1/acme/policy/check`, {
    method: "POST",
    headers: { ...bearer(credential), "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}

describe("GET /v1/:tenant/policy", () => {
  it("returns the policy as the operator wrote it", async () => {
    const answer = await fetch(`${harness.url}/v1/acme/policy`, { headers: bearer(key) });
    expect(await answer.json()).toEqual({ tenant: "acme", policy: POLICY });
  });
});

describe("POST /v1/:tenant/policy/check", () => {
  it("decides and explains a creation without a call to Stream", async () => {
    const { status, body } = await check({
      length: 5,
      metadata: { maxDurationSeconds: "99999", color: "red" },
      creator: "u1",
    });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      allowed: true,
      metadata: { maxdurationseconds: "3600" },
      uploadMetadata: expect.stringContaining("maxdurationseconds MzYwMA=="),
      creator: "u1",
      maxDurationSeconds: 3_600,
      explanations: expect.arrayContaining([
        {
          key: "maxdurationseconds",
          outcome: "clamped",
          requested: "99999",
          applied: "3600",
          rule: "policy.metadata.maxdurationseconds.max",
        },
        { key: "color", outcome: "dropped", requested: "red", rule: "policy.custom.*.allow" },
      ]),
    });
    expect(harness.stream.requests()).toEqual([]);
  });

  it("returns the problem that a creation would get", async () => {
    const { status, body } = await check({ length: 1_001, metadata: { watermark: "w2" } });
    expect(status).toBe(200);
    expect(body).toMatchObject({ allowed: false, problem: { code: "upload_too_large", status: 413 } });
    expect((await check({ length: 1, metadata: "name !" })).body).toMatchObject({
      allowed: false,
      problem: { code: "upload_metadata_invalid", status: 400 },
    });
  });

  it("applies the policy and subject of a grant", async () => {
    const grant = { subject: "user-1", policy: { metadata: { maxdurationseconds: { max: 60 } } } };
    expect((await check({ length: 1, grant })).body).toMatchObject({
      allowed: true,
      maxDurationSeconds: 60,
      creator: "user-1",
    });
  });

  it("uses the subject of the JWT for the grant, like minting", async () => {
    const issuer = { ...hmacIssuer.document, tenant: { fixed: "acme" }, scopes: ["policy:read"] };
    await harness.operator("PUT", "/issuers/idp", issuer);
    const token = await hmacIssuer.sign("user-7");
    expect((await check({ length: 1, grant: {} }, token)).body).toMatchObject({ creator: "user-7" });
  });

  it.each([
    {},
    { length: -1 },
    { length: "5" },
    { length: 1, metadata: { name: 5 } },
    { length: 1, grant: { policy: 5 } },
    [],
    null,
  ])("refuses the body %j", async (body) => {
    expect(await check(body)).toMatchObject({ status: 400, body: { code: "body_invalid" } });
  });
});
