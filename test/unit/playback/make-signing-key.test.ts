import { generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import { type SigningKeyPorts, makeSigningKey } from "../../../src/core/playback/signing-keys.ts";
import { RegistryUnavailable } from "../../../src/core/shared/registry-unavailable.ts";
import { ok } from "../../../src/core/shared/result.ts";
import type { Upstream } from "../../../src/core/stream/rules/upstream.ts";

const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2_048 });
const KEY = { id: "k1", jwk: btoa(JSON.stringify(privateKey.export({ format: "jwk" }))) };

/** @returns what Stream was asked for */
async function make(add: SigningKeyPorts["adminRegistry"]["signingKeys"]["add"]) {
  const calls: string[] = [];
  const ports: SigningKeyPorts = {
    adminRegistry: { signingKeys: { list: async () => [], add, delete: async () => false } },
    playbackTokens: { sign: async () => "", canSign: async () => true },
    budget: { acquire: async () => ({ granted: true }) },
    stream: {
      async call(_, { method, path }) {
        calls.push(`${method} ${path}`);
        return ok(KEY);
      },
    },
  };
  const made = await makeSigningKey(ports, { id: "live" } as Upstream).catch((error: unknown) => error);
  return { made, calls };
}

describe("makeSigningKey", () => {
  it("returns the key's id", async () => {
    expect(await make(async () => true)).toEqual({ made: ok("k1"), calls: ["POST /keys"] });
  });

  it("deletes a key at Stream that it cannot store", async () => {
    const { made, calls } = await make(async () => false);
    expect([made, calls]).toMatchObject([
      { ok: false, problem: { code: "conflict" } },
      ["POST /keys", "DELETE /keys/k1"],
    ]);
  });

  it("keeps a key at Stream that the database may have stored: it may sign already", async () => {
    const { made, calls } = await make(() => Promise.reject(new RegistryUnavailable("connection lost")));
    expect([made, calls]).toEqual([expect.any(RegistryUnavailable), ["POST /keys"]]);
  });
});
