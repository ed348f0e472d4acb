import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Scope, SCOPES, scopesOfKey, storedScopesOfKey } from "../../../src/core/auth/rules/scopes.ts";

const OF_0_1 = ["uploads:create", "uploads:read", "uploads:delete", "grants:create", "policy:read", "usage:read"];

describe("scopesOfKey", () => {
  it.each<[string, readonly string[], readonly string[]]>([
    ["all of version 0.1 has the later ones, too", OF_0_1, SCOPES],
    ["all of version 0.1 in another order", OF_0_1.toReversed(), SCOPES],
    ["five of version 0.1", OF_0_1.slice(1), OF_0_1.slice(1)],
    [
      "all of version 0.1 and one more, which only this version can have listed",
      [...OF_0_1, "uploads:edit"],
      [...OF_0_1, "uploads:edit"],
    ],
    ["one twice among six of version 0.1", [...OF_0_1.slice(1), "usage:read"], OF_0_1.slice(1)],
    ["names of another version", ["uploads:read", "uploads:pause"], ["uploads:read"]],
    ["nothing", [], []],
  ])("reads %s", (_, stored, scopes) => {
    expect(scopesOfKey(stored)).toEqual(scopes);
  });
});

describe("storedScopesOfKey", () => {
  it("keeps any list as it was chosen, also exactly the scopes of version 0.1", () => {
    fc.assert(
      fc.property(
        fc.constantFrom<readonly string[]>(OF_0_1, SCOPES).chain((names) => fc.subarray([...names])),
        (names) => {
          const scopes = names as Scope[];
          expect(scopesOfKey(storedScopesOfKey(scopes))).toEqual(scopes);
        },
      ),
    );
    expect(scopesOfKey(storedScopesOfKey(OF_0_1 as Scope[]))).toEqual(OF_0_1);
  });

  it("has what version 0.1 reads: all of its scopes", () => {
    expect(storedScopesOfKey(OF_0_1 as Scope[])).toEqual(expect.arrayContaining(OF_0_1));
  });
});
