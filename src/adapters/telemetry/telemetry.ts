import type { Telemetry } from "../../core/ports/telemetry.ts";
import { TimedRequestEvent } from "./request-event.ts";

/**
 * One JSON line per request or message, and a data point per creation and per event of Stream's: Analytics Engine
 * samples, so it is never counted on.
 */
export function createTelemetry(dataset: AnalyticsEngineDataset | undefined): Telemetry {
  return {
    begin: (requestId, method) => new TimedRequestEvent(requestId, method),

    record(event) {
      const { columns } = event;
      console.log(JSON.stringify(columns));
      if (!event.isCreation && !columns.streamEvent) return;
      dataset?.writeDataPoint({
        indexes: [columns.tenant ?? ""],
        blobs: [
          columns.streamEvent ? `event_${columns.streamEvent}` : (columns.problem ?? "created"),
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

    recordJob(job, columns) {
      console.log(JSON.stringify({ job, ...columns }));
    },
  };
}
