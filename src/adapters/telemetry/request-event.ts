import type { EventColumns, RequestEvent } from "../../core/ports/telemetry.ts";
import type { Step, TraceColumns } from "../../core/ports/trace.ts";
import type { Problem } from "../../core/shared/problem.ts";

/** The event of one request, filled along the way and recorded once, at its end. */
export class TimedRequestEvent implements RequestEvent {
  readonly columns: EventColumns;
  isCreation = false;
  readonly #startedAt = Date.now();

  constructor(requestId: string, method: string) {
    this.columns = { requestId, method, durations: {} };
  }

  note(columns: TraceColumns): void {
    Object.assign(this.columns, columns);
  }

  async measure<T>(step: Step, work: Promise<T>): Promise<T> {
    const startedAt = Date.now();
    try {
      return await work;
    } finally {
      this.columns.durations[step] = Date.now() - startedAt;
    }
  }

  refused({ code, facts }: Problem): void {
    this.columns.problem = code;
    if (facts) this.columns.problemFacts = facts;
  }

  finish(route: string, status: number): void {
    this.columns.route = route;
    this.columns.status = status;
    this.columns.totalMs = Date.now() - this.#startedAt;
  }

  serverTiming(): string {
    return Object.entries(this.columns.durations)
      .map(([step, milliseconds]) => `${step};dur=${milliseconds}`)
      .join(", ");
  }
}
