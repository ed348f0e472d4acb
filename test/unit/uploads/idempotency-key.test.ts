import { describe, expect, it } from "vitest";
import type { Caller } from "../../../src/core/auth/rules/caller.ts";
import type { SecretHashes } from "../../../src/core/ports/hashes.ts";
import { resolveIdempotencyKey } from "../../../src/core/uploads/idempotency-key.ts";
import type { CreationRequest } from "../../../src/core/uploads/rules/tus-creation.ts";

/** Returns its input, so that tests can read the fingerprint. */
const hashes = { digest: (text: string) => Promise.resolve(text) } as Partial<SecretHashes> as SecretHashes;

const caller = (kind: Caller["kind"], subject?: string) =>
  ({ tenant: "acme", kind, credential: "c1", ...(subject !== undefined && { subject }) }) as Caller;

const creation = (more: Partial<CreationRequest> = {}): CreationRequest => ({
  kind: "tus",
  length: 5,
  metadata: new Map(),
  ...more,
});

async function resolve(by: Caller, header?: string, request = creation()) {
  const resolved = await resolveIdempotencyKey(hashes, by, request, header);
  return resolved.ok ? resolved.value : resolved.problem.detail;
}

describe("resolveIdempotencyKey", () => {
  it("returns undefined without a grant and without Idempotency-Key", async () => {
    expect(await resolve(caller("api-key"))).toBeUndefined();
    expect(await resolve(caller("jwt", "user-1"))).toBeUndefined();
  });

  it("scopes Idempotency-Key to the subject, or to the credential when there is none", async () => {
    expect(await resolve(caller("api-key"), "k")).toMatchObject({ key: '["api-key","c1","k"]', once: false });
    expect(await resolve(caller("jwt", "user-1"), "k")).toMatchObject({ key: '["jwt","user-1","k"]', once: false });
  });

  it("uses a grant as the key, whatever Idempotency-Key says", async () => {
    const grant = { key: '["grant","c1"]', once: true };
    expect(await resolve(caller("grant", "user-1"))).toMatchObject(grant);
    expect(await resolve(caller("grant", "user-1"), "k")).toMatchObject(grant);
  });

  it("fingerprints kind, length, creator and metadata, regardless of the order of the keys and of the grant", async () => {
    const metadata = (...pairs: [string, string][]) => creation({ creator: "u", metadata: new Map(pairs) });
    const expected = { fingerprint: '["tus",5,"u",[["a","1"],["b","2"]]]' };
    expect(await resolve(caller("api-key"), "k", metadata(["a", "1"], ["b", "2"]))).toMatchObject(expected);
    expect(await resolve(caller("api-key"), "k", metadata(["b", "2"], ["grant", "g"], ["a", "1"]))).toMatchObject(
      expected,
    );
  });

  it.each(["", "ä", "a\tb", "k".repeat(256)])("rejects the Idempotency-Key %j", async (header) => {
    const found = header.length > 80 ? `${header.slice(0, 80)}…` : header;
    const detail = `Idempotency-Key must be 1 to 255 printable ASCII characters (found: "${found}").`;
    expect(await resolve(caller("api-key"), header)).toBe(detail);
  });
});
