import type { Telemetry } from "../../core/ports/telemetry.ts";
import { TimedRequestLog } from "./request-event.ts";

/**
 * One JSON line per request or message, and a data point per creation and per event of Stream's: Analytics Engine
 * samples, so it is never counted on.
 */
export function createTelemetry(dataset: AnalyticsEngineDataset | undefined): Telemetry {
  return {
    begin: (requestId, method) => new TimedRequestLog(requestId, method),

    record(event) {
      const { fields } = event;
      console.log(JSON.stringify(fields));
      if (!event.isCreation && !fields.streamEvent) return;
      dataset?.writeDataPoint({
        indexes: [fields.tenant ?? ""],
        blobs: [
          fields.streamEvent ? `event_${fields.streamEvent}` : (fields.problem ?? "created"),
          fields.callerKind ?? "",
          fields.upstream ?? "",
          String(fields.upstreamStatus ?? ""),
        ],
        doubles: [
          fields.totalMs ?? 0,
          fields.durations.stream ?? 0,
          fields.uploadLength ?? 0,
          fields.maxDurationSeconds ?? 0,
        ],
      });
    },

    recordJob(job, columns) {
      console.log(JSON.stringify({ job, ...columns }));
    },
  };
}
