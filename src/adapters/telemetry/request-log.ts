import type { RequestLogFields, RequestLog } from "../../core/ports/telemetry.ts";
import type { Step, TraceFields } from "../../core/ports/trace.ts";
import type { Problem } from "../../core/shared/problem.ts";

export class TimedRequestLog implements RequestLog {
  readonly fields: RequestLogFields;
  isCreation = false;
  readonly #startedAt = Date.now();

  constructor(requestId: string, method: string) {
    this.fields = { requestId, method, durations: {} };
  }

  annotate(columns: TraceFields): void {
    Object.assign(this.fields, columns);
  }

  async measure<T>(step: Step, work: Promise<T>): Promise<T> {
    const startedAt = Date.now();
    try {
      return await work;
    } finally {
      this.fields.durations[step] = Date.now() - startedAt;
    }
  }

  setProblem({ code, step, facts }: Problem): void {
    this.fields.problem = code;
    if (step) this.fields.problemStep = step;
    if (facts) this.fields.problemFacts = facts;
  }

  finish(route: string, status: number): void {
    this.fields.route = route;
    this.fields.status = status;
    this.fields.totalMs = Date.now() - this.#startedAt;
  }

  serverTiming(): string {
    return Object.entries(this.fields.durations)
      .map(([step, milliseconds]) => `${step};dur=${milliseconds}`)
      .join(", ");
  }
}
