import { describe, expect, it, vi } from "vitest";
import { TimedRequestLog } from "../../src/adapters/telemetry/request-log.ts";
import { createTelemetry } from "../../src/adapters/telemetry/telemetry.ts";
import { problem } from "../../src/core/shared/problem.ts";

function record(fill: (log: TimedRequestLog) => void) {
  const consoleLog = vi.spyOn(console, "log").mockImplementation(() => {});
  const points: AnalyticsEngineDataPoint[] = [];
  const log = new TimedRequestLog("request-1", "POST");
  fill(log);
  createTelemetry({ writeDataPoint: (point) => void points.push(point ?? {}) }).record(log);
  const [[line] = []] = consoleLog.mock.calls;
  consoleLog.mockRestore();
  return { columns: JSON.parse(String(line)) as Record<string, unknown>, points };
}

describe("telemetry", () => {
  it("writes one line and one data point for a creation", () => {
    const { columns, points } = record((log) => {
      log.isCreation = true;
      log.annotate({ tenant: "acme", callerKind: "grant", upstream: "default", upstreamStatus: 201, uploadLength: 5 });
      log.annotate({ maxDurationSeconds: 60 });
      log.finish("/v1/:tenant/uploads", 201);
    });
    expect(columns).toMatchObject({
      requestId: "request-1",
      route: "/v1/:tenant/uploads",
      status: 201,
      tenant: "acme",
    });
    expect(points).toEqual([
      { indexes: ["acme"], blobs: ["created", "grant", "default", "201"], doubles: [expect.any(Number), 0, 5, 60] },
    ]);
  });

  it("writes the problem of a refused creation, and its facts only to the log", () => {
    const { columns, points } = record((log) => {
      log.isCreation = true;
      log.setProblem(problem("policy_violation", "no", { facts: { rule: "policy.metadata.name" } }));
      log.finish("/v1/:tenant/uploads", 403);
    });
    expect(columns).toMatchObject({ problem: "policy_violation", problemFacts: { rule: "policy.metadata.name" } });
    expect(points).toMatchObject([{ indexes: [""], blobs: ["policy_violation", "", "", ""] }]);
  });

  it.each(["recorded", "unmanaged"] as const)("writes a data point for a Stream notification: %s", (streamEvent) => {
    const { points } = record((log) => {
      log.annotate({ upstream: "eu", streamEvent, ...(streamEvent === "recorded" && { tenant: "acme" }) });
      log.finish("/hooks/stream/:upstream", 200);
    });
    const tenant = streamEvent === "recorded" ? "acme" : "";
    expect(points).toMatchObject([{ indexes: [tenant], blobs: [`event_${streamEvent}`, "", "eu", ""] }]);
  });

  it("writes only a line for other requests", () => {
    expect(record((log) => log.finish("/healthz", 200)).points).toEqual([]);
  });

  it("adds the duration of each step to Server-Timing, even if it throws", async () => {
    const log = new TimedRequestLog("request-1", "POST");
    await log.measure("authenticate", Promise.resolve());
    await expect(log.measure("stream", Promise.reject(new Error("reset")))).rejects.toThrow("reset");
    expect(log.serverTiming()).toMatch(/^authenticate;dur=\d+, stream;dur=\d+$/);
  });
});
