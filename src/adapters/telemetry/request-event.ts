import type { Problem, ProblemCode } from "../../core/shared/problem.ts";
import type { Step, Trace, TraceColumns } from "../../core/ports/budget.ts";

/** The columns of a request's event. Never a secret, a token or a `Location`; nothing of the client's unclipped. */
export interface EventColumns extends TraceColumns {
  readonly requestId: string;
  readonly method: string;
  /** The route's pattern, not the path: a client may put anything into that. */
  route?: string;
  status?: number;
  problem?: ProblemCode;
  /** What the log may know about the problem, and the client not. */
  problemFacts?: Problem["facts"];
  /** Message of an exception: a bug. */
  error?: string;
  /** Milliseconds from the first line of our code to the last; the clock stands still between I/O. */
  totalMs?: number;
  /** Milliseconds per step. */
  readonly durations: Partial<Record<Step, number>>;
}

/** The event of one request, filled along the way and recorded once, at its end. */
export class RequestEvent implements Trace {
  readonly columns: EventColumns;
  /** Whether the request asked for an upload to be created: these are counted in analytics too. */
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

  /** As a `Server-Timing` header. https://www.w3.org/TR/server-timing/ */
  serverTiming(): string {
    return Object.entries(this.columns.durations)
      .map(([step, milliseconds]) => `${step};dur=${milliseconds}`)
      .join(", ");
  }
}
