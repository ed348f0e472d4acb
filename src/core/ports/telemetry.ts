import type { Problem, ProblemCode } from "../shared/problem.ts";
import type { Step, Trace, TraceFields } from "./trace.ts";

/** Columns of a request log. Never a secret, a token or a `Location`; text of the client only truncated. */
export interface RequestLogFields extends TraceFields {
  readonly requestId: string;
  readonly method: string;
  /** The route's pattern, not the path, which is text of the client. */
  route?: string;
  status?: number;
  problem?: ProblemCode;
  /** Where the verification of a token ended. */
  problemStep?: Problem["step"];
  /** Facts of the problem that the response does not contain. */
  problemFacts?: Problem["facts"];
  /** Message of an exception: a bug. */
  error?: string;
  /** Milliseconds in the Worker; the clock advances only during I/O. */
  totalMs?: number;
  /** Milliseconds per step. */
  readonly durations: Partial<Record<Step, number>>;
}

/** The log of one request or queue message: filled on the way, written once at its end. */
export interface RequestLog extends Trace {
  readonly fields: RequestLogFields;
  /** Whether the request creates an upload: analytics count these. */
  isCreation: boolean;
  setProblem(problem: Problem): void;
  finish(route: string, status: number): void;
  /** Value of the `Server-Timing` header. https://www.w3.org/TR/server-timing/ */
  serverTiming(): string;
}

/** Writes logs and analytics. */
export interface Telemetry {
  begin(requestId: string, method: string): RequestLog;
  record(log: RequestLog): void;
  /** Logs work without a request, e.g. of the cron trigger. */
  recordJob(job: string, columns: object): void;
}
