import type { Problem, ProblemCode } from "../shared/problem.ts";
import type { Step, Trace, TraceFields } from "./trace.ts";

/** The columns of a request's event. Never a secret, a token or a `Location`; nothing of the client's unclipped. */
export interface RequestLogFields extends TraceFields {
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
export interface RequestLog extends Trace {
  readonly fields: RequestLogFields;
  /** Whether the request asked for an upload to be created: these are counted in analytics too. */
  isCreation: boolean;
  setProblem(problem: Problem): void;
  finish(route: string, status: number): void;
  /** As a `Server-Timing` header. https://www.w3.org/TR/server-timing/ */
  serverTiming(): string;
}

/** Where the event of each request goes. */
export interface Telemetry {
  begin(requestId: string, method: string): RequestLog;
  record(event: RequestLog): void;
  /** Of work that nobody has asked for, e.g. by the clock. */
  recordJob(job: string, columns: object): void;
}
