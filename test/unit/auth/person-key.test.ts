import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Caller } from "../../../src/core/auth/rules/caller.ts";
import { afterKeysOf, ownerOf, personKey, storedOwner, subjectOf } from "../../../src/core/auth/rules/person-key.ts";
import type { Person } from "../../../src/core/auth/rules/person.ts";
import { canAccess, restrictToVisible } from "../../../src/core/auth/rules/upload-visibility.ts";
import type { SecretHashes } from "../../../src/core/ports/hashes.ts";
import { decideUpload } from "../../../src/core/policy/decide-upload.ts";
import { resolveIdempotencyKey } from "../../../src/core/uploads/idempotency-key.ts";
import { idempotencyKeyIn } from "../../../src/core/uploads/rules/correlation.ts";
import { policyOf, requestOf } from "../../support/policy-fixtures.ts";
import { person } from "../../support/persons.ts";

const RUNS = { numRuns: 20_000 };
/** Their input, so that equal outputs mean equal inputs. */
const hashes = { digest: async (text: string) => text, shortDigest: async (text: string) => text } as SecretHashes;

const isSame = (a: Person, b: Person) => a.namespace === b.namespace && a.subject === b.subject;
const callerOf = (person: Person, kind: Caller["kind"] = "jwt") =>
  ({ tenant: "acme", kind, credential: "idp", person }) as Caller;

describe("two persons", () => {
  it("have one key if they are one person, and never else", () => {
    fc.assert(
      fc.property(person, person, (a, b) => {
        expect(personKey(a, "acme") === personKey(b, "acme")).toBe(isSame(a, b));
      }),
      RUNS,
    );
  });

  it("see each other's uploads if they are one person, and never else", () => {
    fc.assert(
      fc.property(person, person, (a, b) => {
        expect(canAccess(callerOf(a), { person: b })).toBe(isSame(a, b));
        const list = (one: Person, creator: string) => restrictToVisible(callerOf(one), { creator })?.creator;
        expect(list(a, b.subject) === list(b, b.subject)).toBe(isSame(a, b));
      }),
      RUNS,
    );
  });

  it("have one idempotency key if they are one person and send the same header, and never else", async () => {
    const caller = fc.oneof(
      person.map((one) => callerOf(one)),
      fc.constant({ tenant: "acme", kind: "api-key", credential: "k1" } as Caller),
      fc.constantFrom("tenant", "person", "jti-1").map((credential) => ({
        ...callerOf({ namespace: "tenant", subject: "user-1" }, "grant"),
        credential,
      })),
    );
    const header = fc.constantFrom("k", "user-1", "auth0", '"', "tenant");
    const keyOf = async (by: Caller, sent: string) => {
      const key = await resolveIdempotencyKey(hashes, by, { kind: "tus", length: 1, metadata: new Map() }, sent);
      return key.ok && key.value ? key.value : expect.unreachable();
    };
    const scopeOf = ({ kind, credential, person: own }: Caller) =>
      JSON.stringify(
        kind === "grant" ? [kind, credential] : kind === "jwt" ? [kind, own?.namespace, own?.subject] : [kind],
      );
    await fc.assert(
      fc.asyncProperty(caller, header, caller, header, async (a, sentByA, b, sentByB) => {
        const [one, two] = [await keyOf(a, sentByA), await keyOf(b, sentByB)];
        expect(one.key === two.key).toBe(scopeOf(a) === scopeOf(b) && sentByA === sentByB);
        expect(idempotencyKeyIn(one.key, one.fingerprint)).toBe(sentByA);
      }),
      { numRuns: 5_000 },
    );
  });

  it("have different labels where those are digests, whatever the prefix", async () => {
    const label = async (one: Person, prefix: string) => {
      const policy = policyOf({ creator: { prefix } });
      const { result } = await decideUpload(hashes, [policy], requestOf({}, { caller: callerOf(one) }));
      return result.ok ? { person: result.value.person, creator: result.value.creator } : expect.unreachable();
    };
    await fc.assert(
      fc.asyncProperty(person, person, fc.constantFrom("p", "acme/", "x".repeat(20)), async (a, b, prefix) => {
        const [one, two] = [await label(a, prefix), await label(b, prefix)];
        expect([one.person, two.person]).toEqual([a, b]);
        const areDigests = [one, two].every(({ creator }) => creator?.startsWith(`${prefix}["`));
        if (areDigests) expect(one.creator === two.creator).toBe(isSame(a, b));
      }),
      { numRuns: 5_000 },
    );
  });
});

describe("personKey", () => {
  it.each([
    [{ namespace: "tenant", subject: "user-1" }, "user-1"],
    [{ namespace: "auth0", subject: "user-1" }, "user-1\u001fauth0"],
    [{ namespace: "tenant", subject: "acme" }, "acme\u001ftenant"],
    [{ namespace: "tenant", subject: "user-1\u001fauth0" }, "user-1\u001fauth0\u001ftenant"],
  ])("of %j is %j", (one, key) => {
    expect(personKey(one, "acme")).toBe(key);
  });

  it("lies between the subject and what follows its keys, in the order of bytes", () => {
    fc.assert(
      fc.property(person, (one) => {
        const key = personKey(one, "acme");
        expect(Buffer.compare(Buffer.from(one.subject), Buffer.from(key))).toBeLessThanOrEqual(0);
        expect(Buffer.compare(Buffer.from(key), Buffer.from(afterKeysOf(one.subject)))).toBe(-1);
        expect(subjectOf(key)).toBe(one.subject);
      }),
    );
  });
});

describe("an owner", () => {
  it("is read as it was stored", () => {
    fc.assert(
      fc.property(
        fc.option(person, { nil: undefined }),
        fc.constantFrom(undefined, "acme", "user-1", "x"),
        (one, creator) => {
          const owner = { ...(creator !== undefined && { creator }), ...(one && { person: one }) };
          expect(ownerOf(storedOwner(owner, "acme"), "acme")).toEqual(owner);
        },
      ),
      RUNS,
    );
  });

  it.each([
    ["the creator of an earlier version is a person of the tenant", { creator: "user-1", label: null }, "user-1", true],
    [
      "the tenant's own id, which earlier versions stored for everyone, is no person",
      { creator: "acme" },
      "acme",
      false,
    ],
    ["what Stream was told of an imported video is no person", { creator: null, label: "user-1" }, "user-1", false],
  ])("%s", (_, stored, creator, isPerson) => {
    const expected = isPerson ? { creator, person: { namespace: "tenant", subject: creator } } : { creator };
    expect(ownerOf(stored, "acme")).toEqual(expected);
  });

  it("stores nothing more for a person of whom Stream is told the subject", () => {
    const one = { namespace: "tenant", subject: "user-1" };
    expect(storedOwner({ person: one, creator: "user-1" }, "acme")).toEqual({ creator: "user-1" });
    expect(storedOwner({ person: one }, "acme")).toEqual({ creator: "user-1", label: "" });
    expect(storedOwner({}, "acme")).toEqual({});
  });
});
