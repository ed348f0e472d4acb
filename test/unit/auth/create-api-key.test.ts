import { describe, expect, it } from "vitest";
import { type CreateApiKeyPorts, createApiKey } from "../../../src/core/auth/create-api-key.ts";
import { parseApiKey } from "../../../src/core/auth/rules/api-key.ts";
import type { ApiKeySettings } from "../../../src/core/shared/admin-documents.ts";

const SETTINGS: ApiKeySettings = { name: "backend", scopes: ["uploads:create"] };

const NOW_MS = Date.UTC(2026, 10, 22, 12);

/** Ports whose random bytes count up from `first`; hashes are the text between brackets. */
function ports(first: number, tenantExists = true) {
  let next = first;
  const stored: { tenant: string; id: string; hash: string }[] = [];
  const value: CreateApiKeyPorts = {
    nowMs: () => NOW_MS,
    randomBytes: (count) => Uint8Array.from({ length: count }, () => next++ & 255),
    hashes: {
      digest: async (text) => `[${text}]`,
      shortDigest: async (text) => `[${text}]`,
      matches: async () => false,
      equal: async () => false,
    },
    adminRegistry: {
      apiKeys: {
        list: async () => [],
        revoke: async () => false,
        async create(tenant, id, hash, settings) {
          if (!tenantExists) return undefined;
          stored.push({ tenant, id, hash });
          return { id, name: settings.name, scopes: settings.scopes, createdAt: "2026-01-01T00:00:00.000Z" };
        },
      },
    },
  };
  return { ports: value, stored };
}

describe("createApiKey", () => {
  it("returns a well-formed key and stores its hash", async () => {
    const { ports: all, stored } = ports(0);
    const created = await createApiKey(all, "acme", SETTINGS);
    if (!created.ok) throw new Error(created.problem.detail);
    const { document, key } = created.value;
    expect(parseApiKey(key)).toEqual({ id: document.id, text: key });
    expect(stored).toEqual([{ tenant: "acme", id: document.id, hash: `[${key}]` }]);
  });

  it.each([NOW_MS, NOW_MS - 1, 0])("refuses a key that has expired already: %j", async (expiresAt) => {
    const { ports: all, stored } = ports(0);
    expect(await createApiKey(all, "acme", { ...SETTINGS, expiresAt })).toMatchObject({
      ok: false,
      problem: { code: "body_invalid", key: "expiresAt", detail: expect.stringContaining("must be in the future") },
    });
    expect(stored).toEqual([]);
    expect((await createApiKey(all, "acme", { ...SETTINGS, expiresAt: NOW_MS + 1 })).ok).toBe(true);
  });

  it("draws bytes again that would favour some characters", async () => {
    // 248 = 4 × 62: the bytes 248 to 255 have no character.
    const idFrom = async (first: number) => {
      const created = await createApiKey(ports(first).ports, "acme", SETTINGS);
      return created.ok && created.value.document.id;
    };
    expect(await idFrom(248)).toBe("0123456789ABCDEF");
    expect(await idFrom(0)).toBe("0123456789ABCDEF");
  });

  it("returns not_found if the tenant does not exist", async () => {
    expect(await createApiKey(ports(0, false).ports, "acme", SETTINGS)).toMatchObject({
      ok: false,
      problem: { code: "not_found" },
    });
  });
});
