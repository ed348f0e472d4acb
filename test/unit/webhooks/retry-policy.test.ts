import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ROOT } from "../../../src/cli/paths.ts";
import {
  MAX_FAILING_MS,
  RETRY_DELAYS_SECONDS,
  classifyResponse,
  retryDelaySeconds,
} from "../../../src/core/webhooks/rules/retry-policy.ts";
import { DEAD_DELIVERIES, DELIVERIES, STREAM_NOTIFICATIONS } from "../../../src/queues/names.ts";

const HOUR = 3_600;

describe("retryDelaySeconds", () => {
  it("returns increasing delays for more than a day, each within the maximum of a Queue", () => {
    const delays = Array.from({ length: 10 }, (_, index) => retryDelaySeconds(index + 1) ?? 0);
    expect(delays).toEqual([...RETRY_DELAYS_SECONDS]);
    expect(delays).toEqual(delays.toSorted((a, b) => a - b));
    expect(delays.reduce((sum, delay) => sum + delay, 0)).toBeGreaterThan(24 * HOUR);
    expect(Math.max(...delays)).toBeLessThanOrEqual(12 * HOUR);
    expect(delays[0]).toBeGreaterThan(0);
    expect(retryDelaySeconds(11)).toBeUndefined();
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
    expect(consumerOf(DELIVERIES)).toMatch(new RegExp(`^max_retries = ${RETRY_DELAYS_SECONDS.length}\\b`, "m"));
    expect(consumerOf(DELIVERIES)).toContain(`dead_letter_queue = "${DEAD_DELIVERIES}"`);
    for (const queue of [DELIVERIES, DEAD_DELIVERIES, STREAM_NOTIFICATIONS])
      expect(consumerOf(queue), queue).toMatch(/^retry_delay = 600\b/m);
    expect(toml).toContain(`binding = "DELIVERIES"\nqueue = "${DELIVERIES}"`);
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
