import { readFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ROOT } from "../../../src/cli/paths.ts";
import {
  MAX_ATTEMPTS,
  MAX_FAILING_MS,
  RETRY_DELAYS_SECONDS,
  classifyResponse,
  requestedDelaySeconds,
  retryDelaySeconds,
} from "../../../src/core/webhooks/rules/retry-policy.ts";
import { DEAD_DELIVERIES, DELIVERIES, SLOW_DELIVERIES, STREAM_NOTIFICATIONS } from "../../../src/queues/names.ts";

const HOUR = 3_600;

const random = fc.double({ min: 0, max: 1, noNaN: true });

describe("retryDelaySeconds", () => {
  it("returns increasing delays for more than a day, each within the maximum of a Queue", () => {
    const delays = Array.from({ length: 10 }, (_, index) => retryDelaySeconds(index + 1, 0.5) ?? 0);
    expect(delays).toEqual([...RETRY_DELAYS_SECONDS]);
    expect(delays).toEqual(delays.toSorted((a, b) => a - b));
    expect(delays.reduce((sum, delay) => sum + delay, 0)).toBeGreaterThan(24 * HOUR);
    expect(Math.max(...delays)).toBeLessThanOrEqual(12 * HOUR);
    expect(delays[0]).toBeGreaterThan(0);
    expect(retryDelaySeconds(MAX_ATTEMPTS, 0.5, 60)).toBeUndefined();
  });

  it("varies each delay by a fifth, in whole seconds", () => {
    expect([0, 0.5, 1].map((value) => retryDelaySeconds(1, value))).toEqual([4, 5, 6]);
    expect([0, 0.5, 1].map((value) => retryDelaySeconds(9, value))).toEqual([23_040, 28_800, 34_560]);
    expect([0, 0.5, 1].map((value) => retryDelaySeconds(10, value))).toEqual([34_560, 43_200, 43_200]);
  });

  it("is min(43,200, max(schedule × 0.8…1.2, requested))", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10 }), random, fc.nat({ max: 100_000 }), (attempts, value, requested) => {
        const delay = retryDelaySeconds(attempts, value, requested) ?? 0;
        const scheduled = RETRY_DELAYS_SECONDS[attempts - 1] ?? 0;
        expect(Number.isInteger(delay)).toBe(true);
        expect(delay).toBeGreaterThanOrEqual(Math.min(43_200, Math.max(scheduled * 0.8, requested)));
        expect(delay).toBeLessThanOrEqual(Math.min(43_200, Math.max(scheduled * 1.2, requested)));
      }),
    );
  });
});

describe("requestedDelaySeconds", () => {
  const now = Date.parse("2026-11-28T12:00:00Z") / 1000;

  it.each([
    ["120", 120],
    ["0", 0],
    ["99999999999999999999999", 1e23],
    ["Sat, 28 Nov 2026 12:01:30 GMT", 90],
    ["Saturday, 28-Nov-26 12:01:30 GMT", 90],
    ["Sat, 28 Nov 2026 11:59:00 GMT", 0],
    ["-60", 0],
    ["1.5", 0],
    ["soon", 0],
    ["60, 120", 0],
    ["", 0],
    [undefined, 0],
  ])("reads %j as %d seconds", (header, seconds) => {
    for (const status of [429, 503]) expect(requestedDelaySeconds(status, header, now)).toBe(seconds);
  });

  it.each([0, 200, 301, 400, 408, 413, 500, 502, 504])("ignores the header of %i", (status) => {
    expect(requestedDelaySeconds(status, "120", now)).toBe(0);
  });
});

describe("MAX_FAILING_MS", () => {
  it("is longer than two events take to use up their attempts", () => {
    expect(MAX_FAILING_MS).toBeGreaterThan(2 * RETRY_DELAYS_SECONDS.reduce((sum, delay) => sum + delay, 0) * 1000);
  });
});

describe("wrangler.toml", () => {
  it("configures the queues by their names in the code, with as many retries as there are delays", async () => {
    const toml = await readFile(join(ROOT, "wrangler.toml"), "utf8");
    const tables = toml.split(/\n(?=\[)/);
    const consumerOf = (queue: string) =>
      tables.find((table) => table.startsWith("[[queues.consumers]]") && table.includes(`\nqueue = "${queue}"\n`)) ??
      "";
    for (const queue of [DELIVERIES, SLOW_DELIVERIES]) {
      expect(consumerOf(queue), queue).toMatch(new RegExp(`^max_retries = ${RETRY_DELAYS_SECONDS.length}\\b`, "m"));
      expect(consumerOf(queue), queue).toContain(`dead_letter_queue = "${DEAD_DELIVERIES}"`);
    }
    for (const queue of [DELIVERIES, SLOW_DELIVERIES, DEAD_DELIVERIES, STREAM_NOTIFICATIONS])
      expect(consumerOf(queue), queue).toMatch(/^retry_delay = 600\b/m);
    expect(toml).toContain(`binding = "DELIVERIES"\nqueue = "${DELIVERIES}"`);
    expect(toml).toContain(`binding = "DELIVERIES_SLOW"\nqueue = "${SLOW_DELIVERIES}"`);
  });
});

describe("classifyResponse", () => {
  it.each([
    [200, "delivered"],
    [204, "delivered"],
    [299, "delivered"],
    [101, "failed"],
    [301, "failed"],
    [304, "failed"],
    [307, "failed"],
    [400, "failed"],
    [404, "failed"],
    [410, "gone"],
    [429, "failed"],
    [500, "failed"],
  ])("classifies %i as %s", (status, result) => {
    expect(classifyResponse(status)).toBe(result);
  });
});
