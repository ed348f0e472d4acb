import { describe, expect, it } from "vitest";
import { createVideoTags } from "../../../src/adapters/stream/video-tags.ts";
import type { KeyRing } from "../../../src/config.ts";
import { parseTag } from "../../../src/core/stream/rules/video-tag.ts";

const [OLD, NEW] = [1, 2].map((byte) => ({ id: `m${byte}`, bytes: new Uint8Array(32).fill(byte) }));
const ring = (...keys: (typeof OLD)[]) => keys as unknown as KeyRing;
const ID = "02098a67-8000-7000-8000-000000000001";

const verify = async (keys: KeyRing, text: string) => {
  const tag = parseTag(text);
  return tag !== undefined && (await createVideoTags(keys).verify(tag));
};

describe("createVideoTags", () => {
  it("signs <tenant>/<id> with HMAC-SHA256 under a key derived by HKDF, truncated to 96 bits", async () => {
    // By Python: hmac(hkdf(b"\x01" * 32, salt=b"", info=b"sluice tag", 32 bytes), b"acme/" + id)[:12]
    expect(await createVideoTags(ring(OLD)).sign("acme", ID)).toBe(`acme/${ID}/ztHMHk_F4ey79OhL`);
  });

  it("verifies its own tags, and none that was changed", async () => {
    const text = await createVideoTags(ring(OLD)).sign("acme", ID);
    const [tenant, id, mac = ""] = text.split("/");
    expect(await verify(ring(OLD), text)).toBe(true);
    for (const changed of [
      `${tenant}/${id}`,
      `acme2/${id}/${mac}`,
      `${tenant}/${id?.replace(/1$/, "2")}/${mac}`,
      `${tenant}/${id}/${mac.slice(1)}`,
      `${tenant}/${id}/${mac}A`,
      `${tenant}/${id}/${mac.replace(/^./, (first) => (first === "A" ? "B" : "A"))}`,
      `${tenant}/${id}/${mac.toLowerCase()}`,
    ])
      expect(await verify(ring(OLD), changed), changed).toBe(false);
  });

  it("signs with the first key, and verifies with all, until a key is removed", async () => {
    const before = await createVideoTags(ring(OLD)).sign("acme", ID);
    const after = await createVideoTags(ring(NEW, OLD)).sign("acme", ID);
    expect(after).toBe(await createVideoTags(ring(NEW)).sign("acme", ID));
    expect([await verify(ring(NEW, OLD), before), await verify(ring(NEW, OLD), after)]).toEqual([true, true]);
    expect([await verify(ring(NEW), before), await verify(ring(OLD), after)]).toEqual([false, false]);
  });
});
