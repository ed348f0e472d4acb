/** Ends the head of a request and of an answer. */
export const HEAD_END = "\r\n\r\n";
/** Where the stub says that bytes go; none ever do. */
export const STUB_UPLOAD_HOST = "upload.videodelivery.net";
/** Where the gateway that counts tells how many rows its objects have written. */
export const ROWS_WRITTEN_PATH = "/rows-written";

/** What the process that makes load is asked for. */
export interface LoadOrder {
  readonly port: number;
  /** The process that serves, whose processor time is counted. */
  readonly pid: number;
  /** Whole requests, sent in turn. */
  readonly requests: readonly string[];
  /** Statuses of an answer that is as it should be. */
  readonly expect: readonly number[];
  readonly connections: number;
  /** Milliseconds of load before anything is counted. */
  readonly settleMs: number;
  /** Milliseconds of load that are counted. */
  readonly measureMs: number;
}

/** What it counted, all at the same two moments. */
export interface LoadCount {
  readonly requests: number;
  readonly seconds: number;
  /** Processor time of the serving process; 0 where the system does not tell. */
  readonly cpuSeconds: number;
}

export type LoadReport =
  | { readonly ok: true; readonly count: LoadCount }
  | { readonly ok: false; readonly why: string };
