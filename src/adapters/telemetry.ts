import type { RequestEvent } from "./request-event.ts";

/** Where the event of each request goes. */
export interface Telemetry {
  record(event: RequestEvent): void;
}

/** One JSON line per request, and a data point per creation: Analytics Engine samples, so it is never counted on. */
export function createTelemetry(dataset: AnalyticsEngineDataset | undefined): Telemetry {
  return {
    record(event) {
      const { columns } = event;
      console.log(JSON.stringify(columns));
      if (!event.isCreation) return;
      dataset?.writeDataPoint({
        indexes: [columns.tenant ?? ""],
        blobs: [
          columns.problem ?? "created",
          columns.callerKind ?? "",
          columns.upstream ?? "",
          String(columns.upstreamStatus ?? ""),
        ],
        doubles: [
          columns.totalMs ?? 0,
          columns.durations.stream ?? 0,
          columns.uploadLength ?? 0,
          columns.maxDurationSeconds ?? 0,
        ],
      });
    },
  };
}
