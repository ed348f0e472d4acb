import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { ROOT } from "../../../src/cli/paths.ts";
import { batches } from "../../../src/core/webhooks/rules/batch-messages.ts";
import {
  MAX_FAILING_MS,
  RETRY_DELAYS_SECONDS,
  classifyResponse,
  retryDelaySeconds,
} from "../../../src/core/webhooks/rules/retry-policy.ts";
import { DEAD_DELIVERIES, DELIVERIES, STREAM_EVENTS } from "../../../src/queues/names.ts";
import { isSubscribed } from "../../../src/core/webhooks/publish-events.ts";
import type { Endpoint } from "../../../src/core/webhooks/rules/delivery.ts";
import { keptEvent } from "../../support/event-fixtures.ts";

const HOUR = 3_600;

it("a delivery is repeated for a day and more, ever more seldom, and never later than a Queue can", () => {
  const delays = Array.from({ length: 10 }, (_, index) => retryDelaySeconds(index + 1) ?? 0);
  expect(delays).toEqual([...RETRY_DELAYS_SECONDS]);
  expect(delays).toEqual(delays.toSorted((a, b) => a - b));
  expect(delays.reduce((sum, delay) => sum + delay, 0)).toBeGreaterThan(24 * HOUR);
  expect(Math.max(...delays)).toBeLessThanOrEqual(12 * HOUR);
  expect(delays[0]).toBeGreaterThan(0);
  expect(retryDelaySeconds(11)).toBeUndefined();
});

it("an endpoint is disabled only after several events have been given up", () => {
  expect(MAX_FAILING_MS).toBeGreaterThan(2 * RETRY_DELAYS_SECONDS.reduce((sum, delay) => sum + delay, 0) * 1000);
});

it("the queues are the ones that wrangler.toml names, and are repeated as often as there are delays", async () => {
  const toml = await readFile(join(ROOT, "wrangler.toml"), "utf8");
  const tables = toml.split(/\n(?=\[)/);
  const consumerOf = (queue: string) =>
    tables.find((table) => table.startsWith("[[queues.consumers]]") && table.includes(`\nqueue = "${queue}"\n`)) ?? "";
  expect(consumerOf(DELIVERIES)).toMatch(new RegExp(`^max_retries = ${RETRY_DELAYS_SECONDS.length}\\b`, "m"));
  expect(consumerOf(DELIVERIES)).toContain(`dead_letter_queue = "${DEAD_DELIVERIES}"`);
  for (const queue of [DELIVERIES, DEAD_DELIVERIES, STREAM_EVENTS])
    expect(consumerOf(queue), queue).toMatch(/^retry_delay = 600\b/m);
  expect(toml).toContain(`binding = "DELIVERIES"\nqueue = "${DELIVERIES}"`);
});

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
])("%i is %s", (status, verdict) => {
  expect(classifyResponse(status)).toBe(verdict);
});

it("events go to the endpoints that are enabled and want their type", () => {
  const endpoint = (id: string, more: Partial<Endpoint> = {}): Endpoint => ({
    id,
    tenant: "acme",
    url: "https://hooks.acme.com/",
    secrets: ["whsec_AAAA"],
    disabled: false,
    ...more,
  });
  const endpoints = [
    endpoint("all"),
    endpoint("ready", { events: new Set(["upload.ready"]) }),
    endpoint("failed", { events: new Set(["upload.failed"]) }),
    endpoint("off", { disabled: true }),
  ];
  const event = keptEvent();
  expect(event.body.type).toBe("upload.ready");
  const ids = endpoints.filter((endpoint) => isSubscribed(endpoint, event)).map(({ id }) => id);
  expect(ids).toEqual(["all", "ready"]);
});

it("messages are sent in order, in as few batches as hold them", () => {
  const limits = { messages: 3, bytes: 100, overheadBytes: 10 };
  expect(batches([], limits)).toEqual([]);
  expect(batches([1, 2, 3, 4, 5, 6, 7], limits)).toEqual([[1, 2, 3], [4, 5, 6], [7]]);
  // 2 bytes a letter, quotes and the rest: 50 bytes each.
  const long = "ä".repeat(19);
  expect(batches([long, long, 1, long, long], limits)).toEqual([[long, long], [1, long], [long]]);
  const tooLong = "x".repeat(1_000);
  expect(batches([tooLong, 1], limits)).toEqual([[tooLong], [1]]);
});
