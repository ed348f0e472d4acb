import type { Telemetry } from "../../core/ports/telemetry.ts";
import { TimedRequestLog } from "./request-log.ts";

/**
 * Writes a JSON line per request or queue message, and a data point per creation and Stream notification. Analytics Engine
 * samples the data points, so nothing depends on them.
 */
export function createTelemetry(dataset: AnalyticsEngineDataset | undefined): Telemetry {
  return {
    begin: (requestId, method) => new TimedRequestLog(requestId, method),

    record(log) {
      const { fields } = log;
      console.log(JSON.stringify(fields));
      if (!log.isCreation && !fields.streamEvent) return;
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
