import { expect, it, vi } from "vitest";
import { TimedRequestLog as RequestEvent } from "../../src/adapters/telemetry/request-log.ts";
import { createTelemetry } from "../../src/adapters/telemetry/telemetry.ts";
import { problem } from "../../src/core/shared/problem.ts";

function record(fill: (event: RequestEvent) => void) {
  const log = vi.spyOn(console, "log").mockImplementation(() => {});
  const points: AnalyticsEngineDataPoint[] = [];
  const event = new RequestEvent("request-1", "POST");
  fill(event);
  createTelemetry({ writeDataPoint: (point) => void points.push(point ?? {}) }).record(event);
  const [[line] = []] = log.mock.calls;
  log.mockRestore();
  return { columns: JSON.parse(String(line)) as Record<string, unknown>, points };
}

it("a creation is one line and one data point", () => {
  const { columns, points } = record((event) => {
    event.isCreation = true;
    event.annotate({ tenant: "acme", callerKind: "grant", upstream: "default", upstreamStatus: 201, uploadLength: 5 });
    event.annotate({ maxDurationSeconds: 60 });
    event.finish("/v1/:tenant/uploads", 201);
  });
  expect(columns).toMatchObject({ requestId: "request-1", route: "/v1/:tenant/uploads", status: 201, tenant: "acme" });
  expect(points).toEqual([
    { indexes: ["acme"], blobs: ["created", "grant", "default", "201"], doubles: [expect.any(Number), 0, 5, 60] },
  ]);
});

it("a refused creation names its problem, and the facts stay in the log", () => {
  const { columns, points } = record((event) => {
    event.isCreation = true;
    event.setProblem(problem("policy_violation", "no", { facts: { rule: "policy.metadata.name" } }));
    event.finish("/v1/:tenant/uploads", 403);
  });
  expect(columns).toMatchObject({ problem: "policy_violation", problemFacts: { rule: "policy.metadata.name" } });
  expect(points).toMatchObject([{ indexes: [""], blobs: ["policy_violation", "", "", ""] }]);
});

it.each(["recorded", "unmanaged"] as const)("an event of Stream's is a data point too: %s", (streamEvent) => {
  const { points } = record((event) => {
    event.annotate({ upstream: "eu", streamEvent, ...(streamEvent === "recorded" && { tenant: "acme" }) });
    event.finish("/hooks/stream/:upstream", 200);
  });
  const tenant = streamEvent === "recorded" ? "acme" : "";
  expect(points).toMatchObject([{ indexes: [tenant], blobs: [`event_${streamEvent}`, "", "eu", ""] }]);
});

it("other requests are a line only", () => {
  expect(record((event) => event.finish("/healthz", 200)).points).toEqual([]);
});

it("how long each step took goes into Server-Timing too, whatever became of it", async () => {
  const event = new RequestEvent("request-1", "POST");
  await event.measure("authenticate", Promise.resolve());
  await expect(event.measure("stream", Promise.reject(new Error("reset")))).rejects.toThrow("reset");
  expect(event.serverTiming()).toMatch(/^authenticate;dur=\d+, stream;dur=\d+$/);
});
