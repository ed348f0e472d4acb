import fc from "fast-check";
import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { decideToken, playbackSchema, streamTokenSchema } from "../../../src/core/playback/rules/playback-token.ts";
import type { PlaybackBounds } from "../../../src/core/policy/rules/policy.ts";
import { VIEWERS, any, at, blocks, from, letsIn, rules } from "../../support/access-rules.ts";

const NOW = 1_800_000_000;
const OPEN: PlaybackBounds = { maxSeconds: 86_400, accessRules: [], downloadable: true };

const decide = (bounds: Partial<PlaybackBounds>, request: Parameters<typeof decideToken>[1]) => {
  const decided = decideToken({ ...OPEN, ...bounds }, request, NOW);
  return decided.ok ? decided.value : { code: decided.problem.code, key: decided.problem.key };
};

describe("decideToken", () => {
  it.each<[string, Partial<PlaybackBounds>, Parameters<typeof decideToken>[1], object]>([
    ["an hour by default", {}, {}, { exp: NOW + 3_600 }],
    ["less, if the policy allows less", { maxSeconds: 60 }, {}, { exp: NOW + 60 }],
    ["as long as asked for", {}, { expiresIn: 86_400 }, { exp: NOW + 86_400 }],
    ["until the time asked for", {}, { exp: NOW + 1 }, { exp: NOW + 1 }],
    ["from a time on", {}, { nbf: NOW + 10 }, { exp: NOW + 3_600, nbf: NOW + 10 }],
    ["a download", {}, { downloadable: true }, { exp: NOW + 3_600, downloadable: true }],
    ["no download", {}, { downloadable: false }, { exp: NOW + 3_600 }],
    [
      "the policy's rules",
      { accessRules: [from("allow", "DE"), any("block")] },
      {},
      { exp: NOW + 3_600, accessRules: [from("allow", "DE"), any("block")] },
    ],
    [
      "the caller's rules after those that block",
      { accessRules: [from("block", "US")] },
      { accessRules: [at("block", "192.0.2.1")] },
      { exp: NOW + 3_600, accessRules: [from("block", "US"), at("block", "192.0.2.1")] },
    ],
  ])("gives %s", (_, bounds, request, claims) => {
    expect(decide(bounds, request)).toEqual(claims);
  });

  it.each<[string, Partial<PlaybackBounds>, Parameters<typeof decideToken>[1], object]>([
    ["a longer life", { maxSeconds: 60 }, { expiresIn: 61 }, { code: "policy_violation", key: "expiresIn" }],
    ["a later end", { maxSeconds: 60 }, { exp: NOW + 61 }, { code: "policy_violation", key: "exp" }],
    ["an end that is past", {}, { exp: NOW }, { code: "body_invalid", key: "exp" }],
    ["a start at the end", {}, { nbf: NOW + 3_600 }, { code: "body_invalid", key: "nbf" }],
    ["a download", { downloadable: false }, { downloadable: true }, { code: "policy_violation", key: "downloadable" }],
    [
      "a rule that allows",
      {},
      { accessRules: [from("allow", "DE"), any("block")] },
      { code: "policy_violation", key: "accessRules" },
    ],
    [
      "more rules than a token takes",
      { accessRules: [from("block", "DE"), from("block", "FR")] },
      { accessRules: Array.from({ length: 4 }, () => from("block", "US")) },
      { code: "policy_violation", key: "accessRules" },
    ],
  ])("refuses %s, and does not cut it", (_, bounds, request, refusal) => {
    expect(decide(bounds, request)).toEqual(refusal);
  });

  it("names what is accepted", () => {
    const decided = decideToken({ ...OPEN, maxSeconds: 60 }, { exp: NOW + 61 }, NOW);
    expect(decided).toMatchObject({
      problem: { detail: `exp must be at most ${NOW + 60}, in 60 seconds (found: ${NOW + 61}).` },
    });
  });

  it("gives no token that the bounds do not give", () => {
    const request = fc.record(
      {
        expiresIn: fc.integer({ min: 1, max: 100_000 }),
        exp: fc.integer({ min: NOW - 10, max: NOW + 100_000 }),
        nbf: fc.integer({ min: NOW - 10, max: NOW + 100_000 }),
        downloadable: fc.boolean(),
        accessRules: fc.oneof(blocks, rules),
      },
      { requiredKeys: [] },
    );
    const bounds = fc.record({
      maxSeconds: fc.integer({ min: 1, max: 86_400 }),
      accessRules: rules,
      downloadable: fc.boolean(),
    });
    fc.assert(
      fc.property(bounds, request, (bounds, request) => {
        const decided = decideToken(bounds, request, NOW);
        if (!decided.ok) return;
        const { exp, nbf = NOW, downloadable = false, accessRules = [] } = decided.value;
        expect(exp).toBeGreaterThan(Math.max(NOW, nbf));
        expect(exp).toBeLessThanOrEqual(NOW + bounds.maxSeconds);
        expect(downloadable && !bounds.downloadable).toBe(false);
        expect(accessRules.length).toBeLessThanOrEqual(5);
        for (const viewer of VIEWERS) {
          const expected = letsIn(bounds.accessRules, viewer) && letsIn(request.accessRules ?? [], viewer);
          expect(letsIn(accessRules, viewer)).toBe(expected);
        }
      }),
    );
  });
});

describe("the bodies", () => {
  it("are those of the two APIs, with nothing else", () => {
    expect(v.safeParse(playbackSchema, { expiresIn: 60, nbf: NOW, downloadable: false, accessRules: [] }).success).toBe(
      true,
    );
    for (const body of [
      { exp: NOW },
      { id: "key" },
      { pem: "secret" },
      { flags: {} },
      { sub: "x" },
      { expiresIn: 86_401 },
      [],
    ])
      expect(v.safeParse(playbackSchema, body).success).toBe(false);
    const sdk = {
      exp: NOW,
      nbf: NOW,
      downloadable: true,
      accessRules: [],
      id: "key",
      pem: "pem",
      flags: { original: true },
    };
    expect(v.safeParse(streamTokenSchema, sdk).success).toBe(true);
    for (const body of [
      { expiresIn: 60 },
      { sub: "x" },
      { kid: "x" },
      { exp: "1" },
      { exp: 1.5 },
      { nbf: -1 },
      { downloadable: 1 },
    ])
      expect(v.safeParse(streamTokenSchema, body).success).toBe(false);
  });
});
