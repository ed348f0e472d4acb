import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { createTokens } from "../../../src/adapters/auth/tokens.ts";
import type { KeyRing } from "../../../src/config.ts";
import { acme, as, create, documentOf, mint, newKey, post, postJson, resetAcme } from "../support/acme.ts";
import { asOperator, codeOf } from "../support/worker.ts";

/** Policies as version 0.1 stored them, and as the grants carry that it minted. */

resetAcme();

/** The keys of `vitest.config.ts`. */
const GRANT_KEYS = [{ id: "new", bytes: new Uint8Array(32).fill(1) }] as unknown as KeyRing;

/** Signs a grant as version 0.1 did: with a policy that it accepted. */
function signGrant(policy: object): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const [, keyId = ""] = acme.key.split("_");
  const grant = { id: crypto.randomUUID(), tenant: "acme", issuedAt: now, expiresAt: now + 600, uploads: 1, policy };
  return createTokens(GRANT_KEYS, true).signGrant({ ...grant, mintedBy: { key: keyId } });
}

const OLD = { metadata: { project: { required: true, maxLength: 4 }, expiry: { max: "P1D" } } };

describe("a policy of version 0.1", () => {
  it("in a grant holds as it did", async () => {
    await newKey({ custom: { "*": { allow: ["project", "tag"] } } });
    expect(await codeOf(post(await signGrant(OLD), { project: "cats and dogs" }))).toBe("policy_violation");
    expect(await codeOf(post(await signGrant(OLD), {}))).toBe("policy_violation");
    const { id } = await create(await signGrant(OLD), { project: "cats", tag: "t" });
    expect(await documentOf(id)).toMatchObject({ meta: { project: "cats", tag: "t" } });
    const excluding = { metadata: { "*": { allow: ["tag"] } } };
    const { id: other } = await create(await signGrant(excluding), { project: "cats", tag: "t" });
    expect(await documentOf(other)).toMatchObject({ meta: { tag: "t" } });
  });

  it("in the registry holds as it did, and grants narrow it in today's form", async () => {
    await env.DB.prepare("UPDATE tenants SET policy = ?").bind(JSON.stringify(OLD)).run();
    // Makes the tenant's version newer, so that the cached policy is read again.
    await asOperator("POST", "/tenants/acme/keys", { name: "another" });
    expect(await codeOf(post(acme.key, { project: "cats and dogs" }))).toBe("policy_violation");
    const { id } = await create(acme.key, { project: "cats" });
    expect(await documentOf(id)).toMatchObject({ meta: { project: "cats" } });
    const grant = await mint({ policy: { custom: { Project: { pattern: "[a-c]+" } } } });
    expect(await codeOf(post(grant, { project: "cats" }))).toBe("policy_violation");
    expect((await post(grant, { project: "abc" })).status).toBe(201);
    expect(await (await as(acme.key, "GET", "/policy")).json()).toMatchObject({ policy: OLD });
  });

  it("is refused where a grant is minted or checked", async () => {
    const refusal = {
      code: "body_invalid",
      key: "grant.metadata.project",
      detail: expect.stringMatching(/metadata\.project: .*custom.*metadata\.expiry\.max: .*PT6H/),
    };
    const minted = await as(acme.key, "POST", "/grants", postJson({ policy: OLD }));
    expect([minted.status, await minted.json()]).toEqual([400, expect.objectContaining(refusal)]);
    const checked = await as(acme.key, "POST", "/policy/check", postJson({ length: 1, grant: { policy: OLD } }));
    expect([checked.status, await checked.json()]).toEqual([400, expect.objectContaining(refusal)]);
  });
});
