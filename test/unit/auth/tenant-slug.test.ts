import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isPlainTenantId, slugOf } from "../../../src/core/auth/rules/tenant-slug.ts";
import { TENANT_ID } from "../../../src/core/shared/tenant.ts";
import { readPage } from "../../support/docs-pages.ts";
import { fencesOf } from "../../support/markdown.ts";

const hashOf = (value: string) => createHash("sha256").update(value).digest("hex");
const tenantOf = (value: string) => (isPlainTenantId(value) ? value : slugOf(value, hashOf(value)));

/** Text of identity providers, tenant ids, and what could be mistaken for either. */
const value = fc.oneof(
  fc.string({ unit: "grapheme", minLength: 1 }),
  fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,31}$/),
  fc.stringMatching(/^[a-z]{1,3}-[a-z2-7]{10}$/),
  fc.constantFrom("Acme!", "acme", "ACME", "acme ", "Acme", "ä", "a\u0308"),
);

it("is what the page on identity providers computes", async () => {
  const fences = fencesOf(readPage("docs/identity-providers.md"));
  const sample = fences.find(({ text }) => text.includes("function tenantOf"))?.text ?? "";
  const page = (await import(`data:text/javascript,${encodeURIComponent(sample)}`)) as {
    tenantOf: (value: string) => Promise<string>;
  };
  const long = fc.stringMatching(/^[A-Za-z0-9_ -]{18,40}$/);
  await fc.assert(
    fc.asyncProperty(fc.oneof(value, long), async (text) => {
      expect(await page.tenantOf(text)).toBe(tenantOf(text));
    }),
  );
});

describe("tenantOf", () => {
  it.each(["acme", "a", "0", "acme-industries", "acme-production", "x".repeat(32), "a-", "acme-234567890a", "acme--0"])(
    "leaves the tenant id %s as it is",
    (id) => {
      expect(tenantOf(id)).toBe(id);
    },
  );

  it.each([
    ["Acme!", /^acme-[a-z2-7]{10}$/],
    ["org_9ybsU1dN7dKi6wdy", /^org-9ybsu1dn7dki6wdy-[a-z2-7]{10}$/],
    ["Müller & Söhne", /^muller-sohne-[a-z2-7]{10}$/],
    ["x".repeat(33), /^x{21}-[a-z2-7]{10}$/],
    ["日本", /^tenant-[a-z2-7]{10}$/],
    ["-", /^tenant-[a-z2-7]{10}$/],
    ["-acme-", /^acme-[a-z2-7]{10}$/],
  ])("makes a tenant id of %s", (text, form) => {
    expect(tenantOf(text)).toMatch(form);
  });

  it("has the characters that base32 prints", () => {
    const base32 = (text: string) => {
      const bits = [...createHash("sha256").update(text).digest()]
        .map((byte) => byte.toString(2).padStart(8, "0"))
        .join("");
      return bits
        .match(/.{5}/g)
        ?.map((five) => "abcdefghijklmnopqrstuvwxyz234567".charAt(parseInt(five, 2)))
        .join("");
    };
    fc.assert(
      fc.property(fc.string(), (text) => {
        const digest = slugOf(text, hashOf(text)).slice(-10);
        expect(base32(text)).toContain(digest);
        expect(digest).toMatch(/[2-7]/);
      }),
    );
  });

  it("always makes a tenant id that is not one of the plain ones", () => {
    fc.assert(
      fc.property(value, (text) => {
        expect(tenantOf(text)).toMatch(TENANT_ID);
        expect(isPlainTenantId(slugOf(text, hashOf(text)))).toBe(false);
      }),
    );
  });

  it("makes different tenants of different values", () => {
    fc.assert(
      fc.property(value, value, (a, b) => {
        expect(tenantOf(a) === tenantOf(b)).toBe(a === b);
      }),
      { numRuns: 1_000 },
    );
  });

  it("makes another tenant of a value that is the slug of somebody else, however often", () => {
    fc.assert(
      fc.property(value, (text) => {
        const slug = slugOf(text, hashOf(text));
        expect(new Set([slug, tenantOf(slug), tenantOf(tenantOf(slug))]).size).toBe(3);
      }),
    );
  });

  it("makes a digit even of a hash that has none", () => {
    expect(slugOf("A", "0".repeat(64))).toBe("a-aaaaaaaaa2");
  });
});
