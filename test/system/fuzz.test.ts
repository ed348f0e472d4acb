import { afterAll, beforeAll, describe as suite, expect, it } from "vitest";
import { describe, fuzz } from "../fuzz/fuzz.ts";
import { closeConnections } from "../fuzz/send.ts";
import { type World, createWorld } from "../fuzz/world.ts";

/** `npm run fuzz` sends more. The seed is fixed, so that a failure is one of this change. */
const [SEED, REQUESTS] = [1, 5_000];

let world: World;

beforeAll(async () => {
  world = await createWorld();
});
afterAll(async () => {
  closeConnections();
  await world.gateway.stop();
});

suite("any request", () => {
  it("has an answer of the documented form", { timeout: 400_000 }, async () => {
    const { findings, aftermath, outcomes, unopened } = await fuzz(world, { seed: SEED, requests: REQUESTS });
    expect(findings.map((finding) => describe(finding))).toEqual([]);
    expect(aftermath).toEqual([]);
    // The requests reach nearly every route, and most refusals. Concurrency decides what exists when one is sent.
    expect(unopened.length, unopened.join(", ")).toBeLessThanOrEqual(6);
    expect(outcomes.size).toBeGreaterThan(30);
  });
});
