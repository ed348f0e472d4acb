import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { combineDocuments } from "../../../src/core/policy/rules/combine-documents.ts";
import { parsePolicy } from "../../../src/core/policy/rules/parse-policy.ts";
import { MAX_TOKEN_SECONDS, playbackBounds } from "../../../src/core/policy/rules/playback-bounds.ts";
import { narrow } from "../../../src/core/policy/rules/policy.ts";
import { playbackJson } from "../../support/policy-arbitraries.ts";
import { STREAM_BOUNDS, policyOf } from "../../support/policy-fixtures.ts";

const boundsOf = (tenant: object, grant?: object) =>
  playbackBounds(narrow([policyOf({ playback: tenant })], grant && policyOf({ playback: grant }, "grant")));

const GERMANY = { type: "ip.geoip.country", action: "block", country: ["DE"] };
const OFFICE = { type: "ip.src", action: "allow", ip: ["192.0.2.0/24", "2001:db8::/32"] };
const NOBODY = { type: "any", action: "block" };

describe("playbackBounds", () => {
  it("allows a day, all viewers and no download if nothing is said", () => {
    expect(playbackBounds([policyOf({})])).toEqual({ maxSeconds: 86_400, accessRules: [], downloadable: false });
  });

  it("is what the tenant says", () => {
    const playback = { maxSeconds: 60, accessRules: [GERMANY, OFFICE, NOBODY], downloadable: true };
    expect(boundsOf(playback)).toEqual(playback);
    expect(boundsOf(playback, {})).toEqual(playback);
  });

  it.each<[tenant: object, grant: object, bounds: object]>([
    [{ maxSeconds: 60 }, { maxSeconds: 600 }, { maxSeconds: 60 }],
    [{ maxSeconds: 600 }, { maxSeconds: 60 }, { maxSeconds: 60 }],
    [{}, { maxSeconds: 60 }, { maxSeconds: 60 }],
    [{ downloadable: true }, { downloadable: false }, { downloadable: false }],
    [{}, { downloadable: true }, { downloadable: false }],
    [{ downloadable: true }, {}, { downloadable: true }],
    [{ accessRules: [GERMANY] }, { accessRules: [OFFICE, NOBODY] }, { accessRules: [GERMANY, OFFICE, NOBODY] }],
    [{ accessRules: [OFFICE, NOBODY] }, { accessRules: [GERMANY] }, { accessRules: [GERMANY, OFFICE, NOBODY] }],
    [{ accessRules: [OFFICE, NOBODY] }, { accessRules: [OFFICE, NOBODY] }, { accessRules: [NOBODY] }],
  ])("narrows %j by %j", (tenant, grant, bounds) => {
    expect(boundsOf(tenant, grant)).toMatchObject(bounds);
  });

  it("is of plan and tenant, member by member", () => {
    const plan = policyOf({ playback: { maxSeconds: 60, accessRules: [GERMANY], downloadable: true } }, "plan");
    const combined = (own: object) => {
      const read = parsePolicy({ playback: own }, "policy", undefined, true);
      if (!read.ok) throw new Error(read.problem.detail);
      return playbackBounds([combineDocuments(plan, read.value, STREAM_BOUNDS)]);
    };
    expect(combined({})).toEqual({ maxSeconds: 60, accessRules: [GERMANY], downloadable: true });
    expect(combined({ maxSeconds: 600 })).toEqual({ maxSeconds: 600, accessRules: [GERMANY], downloadable: true });
    expect(combined({ maxSeconds: null, accessRules: null, downloadable: null })).toEqual(boundsOf({}));
  });

  it("never widens: a token under both documents is one under each", () => {
    fc.assert(
      fc.property(playbackJson, playbackJson, (tenant, grant) => {
        const [both, one, other] = [boundsOf(tenant, grant), boundsOf(tenant), boundsOf(grant)];
        expect(both.maxSeconds).toBe(Math.min(one.maxSeconds, other.maxSeconds));
        expect(both.downloadable && !one.downloadable).toBe(false);
        if ("downloadable" in grant) expect(both.downloadable && !other.downloadable).toBe(false);
        if (both.accessRules[0]?.type !== "any")
          for (const { accessRules } of [one, other])
            expect(both.accessRules).toEqual(expect.arrayContaining([...accessRules]));
      }),
    );
  });
});

describe("parsePolicy, for playback", () => {
  it.each([
    { maxSeconds: 1 },
    { maxSeconds: MAX_TOKEN_SECONDS },
    { accessRules: [] },
    {
      accessRules: [
        { type: "ip.src", action: "block", ip: ["192.0.2.1", "192.0.2.0/24", "::1", "2001:db8::/32", "::/0"] },
      ],
    },
  ])("accepts %j", (playback) => {
    expect(parsePolicy({ playback }, "policy")).toMatchObject({ ok: true, value: { playback } });
  });

  it.each<[playback: unknown, key: string]>([
    [[], ""],
    [null, ""],
    [{ maxSecond: 5 }, ".maxSecond"],
    [{ maxSeconds: 0 }, ".maxSeconds"],
    [{ maxSeconds: 86_401 }, ".maxSeconds"],
    [{ maxSeconds: 1.5 }, ".maxSeconds"],
    [{ downloadable: "true" }, ".downloadable"],
    [{ accessRules: {} }, ".accessRules"],
    [{ accessRules: Array.from({ length: 6 }, () => GERMANY) }, ".accessRules"],
    [{ accessRules: [NOBODY, GERMANY] }, ".accessRules"],
    [{ accessRules: [{ ...NOBODY, country: ["DE"] }] }, ".accessRules.0"],
    [{ accessRules: [{ ...NOBODY, ip: ["::1"] }] }, ".accessRules.0"],
    [{ accessRules: [{ type: "ip.src", action: "block" }] }, ".accessRules.0"],
    [{ accessRules: [{ type: "ip.geoip.country", action: "block" }] }, ".accessRules.0"],
    [{ accessRules: [{ ...GERMANY, ip: ["::1"] }] }, ".accessRules.0"],
    [{ accessRules: [{ ...OFFICE, country: ["DE"] }] }, ".accessRules.0"],
    [{ accessRules: [{ type: "any" }] }, ".accessRules.0.action"],
    [{ accessRules: [{ type: "ip", action: "block" }] }, ".accessRules.0.type"],
    [{ accessRules: [{ ...GERMANY, action: "deny" }] }, ".accessRules.0.action"],
    [{ accessRules: [{ ...GERMANY, country: [] }] }, ".accessRules.0.country"],
    [{ accessRules: [{ ...GERMANY, country: ["de"] }] }, ".accessRules.0.country.0"],
    [{ accessRules: [{ ...GERMANY, country: ["DEU"] }] }, ".accessRules.0.country.0"],
    [{ accessRules: [{ ...GERMANY, country: Array.from({ length: 251 }, () => "DE") }] }, ".accessRules.0.country"],
    [{ accessRules: [{ ...OFFICE, ip: Array.from({ length: 26 }, () => "::1") }] }, ".accessRules.0.ip"],
    [{ accessRules: [{ ...OFFICE, ip: ["192.0.2.1", "localhost"] }] }, ".accessRules.0.ip.1"],
  ])("refuses %j", (playback, key) => {
    expect(parsePolicy({ playback }, "policy")).toMatchObject({
      problem: { code: "body_invalid", key: `policy.playback${key}` },
    });
  });
});
