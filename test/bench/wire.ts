/** End of the head of a request and a response. */
export const HEAD_END = "\r\n\r\n";
/** Upload host that the stub returns; it receives no bytes. */
export const STUB_UPLOAD_HOST = "upload.videodelivery.net";
/** Path where the counting gateway reports its `Costs`. */
export const COSTS_PATH = "/costs";

export interface Costs {
  /** By its objects, including indexes and alarms. */
  readonly rowsWritten: number;
  /** To Stream. */
  readonly calls: number;
}

/** An order to the load generator. */
export interface LoadOrder {
  readonly port: number;
  /** The measured server process. */
  readonly pid: number;
  /** Complete requests, sent in turn. */
  readonly requests: readonly string[];
  /** Expected statuses. */
  readonly expect: readonly number[];
  readonly connections: number;
  /** Milliseconds of unmeasured load. */
  readonly settleMs: number;
  /** Milliseconds of measured load. */
  readonly measureMs: number;
}

/** The load generator's counts over the measured time. */
export interface LoadCount {
  readonly requests: number;
  readonly seconds: number;
  /** CPU time of the server process; 0 if the system does not report it. */
  readonly cpuSeconds: number;
  /** From a request to its complete answer. */
  readonly latencyMs: Readonly<Record<"p50" | "p99", number>>;
}

export type LoadReport =
  | { readonly ok: true; readonly count: LoadCount }
  | { readonly ok: false; readonly why: string };
