import fc from "fast-check";
import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { combineLimits } from "../../../src/core/quota/rules/combine-limits.ts";
import { type LimitsPatch, limitsPatchSchema, limitsSchema } from "../../../src/core/quota/rules/limits.ts";
import { limitRequests } from "../../../src/core/quota/rules/check-limits.ts";
import { limitsDocument } from "../../support/limits-arbitrary.ts";

/** Numbers by name, such as `quota.day.bytes`. */
const numbersOf = (limits: Parameters<typeof limitRequests>[0]) =>
  Object.fromEntries(
    limitRequests(limits, { bytes: 1, seconds: 1, creator: "any" }).map(({ name, allowed }) => [name, allowed]),
  );

describe("combineLimits", () => {
  it("replaces each number alone, and removes those that are null", () => {
    const plan = {
      pending: 5,
      quota: { day: { bytes: 100, uploads: 10 }, month: { bytes: 900 } },
      rate: { tenant: 9 },
    };
    const own: LimitsPatch = { pending: null, quota: { day: { bytes: 50 } }, rate: { creator: 2 }, storedSeconds: 7 };
    expect(combineLimits(plan, own)).toEqual({
      quota: { day: { bytes: 50, uploads: 10 }, month: { bytes: 900 } },
      rate: { tenant: 9, creator: 2 },
      storedSeconds: 7,
    });
  });

  it("removes a number that the plan does not have", () => {
    expect(numbersOf(combineLimits({}, { quota: { day: { bytes: null } } }))).toEqual({});
  });

  it("has, for any limits, the tenant's numbers and else the plan's", () => {
    fc.assert(
      fc.property(limitsDocument, limitsDocument, (plan, own) => {
        const combined = combineLimits(plan, own);
        expect(v.parse(limitsSchema, combined)).toEqual(combined);
        expect(numbersOf(combined)).toEqual({ ...numbersOf(plan), ...numbersOf(own) });
        expect(combineLimits(plan, {})).toEqual(plan);
        expect(combineLimits({}, own)).toEqual(own);
      }),
    );
  });
});

describe("limitsPatchSchema", () => {
  it.each<[json: object, accepted: boolean]>([
    [{ pending: null, quota: { day: { bytes: null } }, rate: { creator: null } }, true],
    [{ quota: null }, false],
    [{ quota: { day: null } }, false],
    [{ rate: null }, false],
    [{ pendings: null }, false],
  ])("of %j: %s", (json, accepted) => {
    expect(v.is(limitsPatchSchema, json)).toBe(accepted);
    expect(v.is(limitsSchema, json)).toBe(false);
  });
});
