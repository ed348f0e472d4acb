import { describe, expect, it } from "vitest";
import type { Caller } from "../../../src/core/auth/rules/caller.ts";
import type { SecretHashes } from "../../../src/core/ports/hashes.ts";
import { resolveIdempotencyKey } from "../../../src/core/uploads/idempotency-key.ts";
import type { IdempotencyRequest } from "../../../src/core/quota/rules/reservation.ts";
import type { MetadataValue } from "../../../src/core/uploads/rules/metadata-value.ts";
import type { CreationRequest } from "../../../src/core/uploads/rules/creation-request.ts";

/** Returns its input, so that tests can read the fingerprint. */
const hashes = { digest: (text: string) => Promise.resolve(text) } as Partial<SecretHashes> as SecretHashes;

const caller = (kind: Caller["kind"], subject?: string, namespace = "tenant") =>
  ({
    tenant: "acme",
    kind,
    credential: "c1",
    ...(subject !== undefined && { person: { namespace, subject } }),
  }) as Caller;

const creation = (more: Partial<Extract<CreationRequest, { kind: "tus" | "direct" }>> = {}): CreationRequest => ({
  kind: "tus",
  length: 5,
  metadata: new Map(),
  ...more,
});

async function resolve(by: Caller, header?: string, request: CreationRequest = creation()) {
  const resolved = await resolveIdempotencyKey(hashes, by, request, header);
  return resolved.ok ? resolved.value : resolved.problem.detail;
}

describe("resolveIdempotencyKey", () => {
  it("returns undefined without a grant and without Idempotency-Key", async () => {
    expect(await resolve(caller("api-key"))).toBeUndefined();
    expect(await resolve(caller("jwt", "user-1"))).toBeUndefined();
  });

  it("scopes Idempotency-Key to the tenant for API keys, whichever and whatever their Upload-Creator", async () => {
    const expected = { key: '["tenant","","k"]', once: false };
    expect(await resolve(caller("api-key"), "k")).toMatchObject(expected);
    expect(await resolve({ ...caller("api-key"), credential: "c2" }, "k")).toMatchObject(expected);
    expect(await resolve(caller("api-key"), "k", creation({ creator: "u" }))).toMatchObject(expected);
  });

  it("scopes Idempotency-Key to the person for JWTs", async () => {
    expect(await resolve(caller("jwt", "user-1"), "k")).toMatchObject({ key: '["tenant","user-1","k"]', once: false });
    expect(await resolve(caller("jwt", "user-1", "auth0"), "k")).toEqual({
      key: '["person","auth0","user-1","k"]',
      fingerprint: '["tus",5,null,[]]',
      once: false,
    });
  });

  it("scopes Idempotency-Key to the grant, and uses the fingerprint without it", async () => {
    const more = { once: true, perGrant: { prefix: '["grant","c1"', uploads: 1 } };
    const fingerprint = '["tus",5,null,[]]';
    expect(await resolve(caller("grant", "user-1"), "k")).toMatchObject({ key: '["grant","c1","k"]', ...more });
    expect(await resolve(caller("grant", "user-1"))).toMatchObject({
      key: JSON.stringify(["grant", "c1", fingerprint]),
      ...more,
    });
  });

  it("counts as many uploads as the grant says", async () => {
    const by = { ...caller("grant"), grant: { uploads: 3 } };
    expect(await resolve(by, "k")).toMatchObject({ perGrant: { prefix: '["grant","c1"', uploads: 3 } });
  });

  it("names the key in its former form", async () => {
    const former = async (by: Caller) => (await resolve(by, "k")) as { formerKey?: string };
    expect(await former(caller("api-key"))).toMatchObject({ formerKey: '["api-key","c1","k"]' });
    expect(await former(caller("jwt", "user-1"))).toMatchObject({ formerKey: '["jwt","user-1","k"]' });
    expect(await former(caller("grant", "user-1"))).toMatchObject({ formerKey: '["grant","c1"]' });
  });

  it("fingerprints kind, length, creator and metadata, regardless of the order of the keys and of the grant", async () => {
    const metadata = (...pairs: [string, string][]) => creation({ creator: "u", metadata: new Map(pairs) });
    const expected = { fingerprint: '["tus",5,"u",[["a","1"],["b","2"]]]' };
    expect(await resolve(caller("api-key"), "k", metadata(["a", "1"], ["b", "2"]))).toMatchObject(expected);
    expect(await resolve(caller("api-key"), "k", metadata(["b", "2"], ["grant", "g"], ["a", "1"]))).toMatchObject(
      expected,
    );
  });

  it("fingerprints the link of a copy, and what a clip is made of", async () => {
    const rest = { length: 5, metadata: new Map() };
    const requests: CreationRequest[] = [
      { ...rest, kind: "copy", url: "https://a.example.com/1", fileName: "1" },
      { ...rest, kind: "copy", url: "https://a.example.com/1?v=2", fileName: "1" },
      { ...rest, kind: "clip", clip: { of: "a", startSeconds: 0, endSeconds: 1 } },
      { ...rest, kind: "clip", clip: { of: "a", startSeconds: 0, endSeconds: 2 } },
      { ...rest, kind: "clip", clip: { of: "b", startSeconds: 0, endSeconds: 1 } },
    ];
    const resolved = await Promise.all(requests.map((request) => resolve(caller("api-key"), "k", request)));
    expect(new Set(resolved.map((key) => (key as IdempotencyRequest).fingerprint)).size).toBe(requests.length);
  });

  it("fingerprints a value that cannot be decoded as it was sent, unlike the same text", async () => {
    const fingerprintOf = async (value: MetadataValue) =>
      ((await resolve(caller("grant"), "k", creation({ metadata: new Map([["a", value]]) }))) as IdempotencyRequest)
        .fingerprint;
    const fingerprints = await Promise.all(["YQ", { undecodable: "YQ" }, { undecodable: "Yg" }].map(fingerprintOf));
    expect(new Set(fingerprints).size).toBe(3);
    expect(await fingerprintOf({ undecodable: "YQ" })).toBe(fingerprints[1]);
  });

  it.each(["", "ä", "a\tb", "k".repeat(256)])("rejects the Idempotency-Key %j", async (header) => {
    const found = header.length > 80 ? `${header.slice(0, 80)}…` : header;
    const detail = `Idempotency-Key must be 1 to 255 printable ASCII characters (found: "${found}").`;
    expect(await resolve(caller("api-key"), header)).toBe(detail);
  });
});
