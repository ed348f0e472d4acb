import type { ChildProcess } from "node:child_process";
import { nextMessage } from "./processes.ts";
import type { Row, Work } from "./rows.ts";
import { type ServerName, type Surroundings, startServer } from "./servers.ts";
import type { Server } from "./workerd.ts";
import type { LoadCount, LoadOrder, LoadReport } from "./wire.ts";

/** Duration of the measurement: more rounds and process sets narrow the spread. */
export interface Schedule {
  /** Restarts of all servers: memory layout varies between processes and affects speed. */
  readonly sets: number;
  readonly rounds: number;
  /** Milliseconds of measured load per row and round. */
  readonly measureMs: number;
  /** The same for rows that the docs quote. */
  readonly measureKeyMs: number;
  /** Milliseconds of unmeasured load at the start of a round. */
  readonly settleMs: number;
  /** Milliseconds of warm-up per row before the first round, for the JIT compiler. */
  readonly warmUpMs: number;
}

/** Both sides of one row in one round. */
export interface Round {
  readonly subject: LoadCount;
  readonly against: LoadCount;
}

const CLEAR_LINE = "\x1b[K";

/** Concurrent requests on each side. */
const CONNECTIONS = 16;

/**
 * Measures all rows. A machine's speed drifts two-fold within an hour, so both sides of a row run concurrently on the same
 * processor, and the rows take turns.
 */
export async function measureRows(
  rows: readonly Row[],
  schedule: Schedule,
  surroundings: Surroundings,
  loaders: readonly [ChildProcess, ChildProcess],
): Promise<Map<Row, Round[]>> {
  const rounds = new Map(rows.map((row): [Row, Round[]] => [row, []]));
  for (let set = 0; set < schedule.sets; set++) {
    const servers = await startServers(rows, surroundings);
    const measure = async (row: Row, settleMs: number, measureMs: number): Promise<Round> => {
      const order = (work: Work) => orderOf(work, servers, settleMs, measureMs);
      const [subject, against] = await Promise.all([
        load(loaders[0], row, order(row.subject)),
        load(loaders[1], row, order(row.against)),
      ]);
      return { subject, against };
    };
    try {
      for (const row of rows) await measure(row, 0, row.warmUpMs ?? schedule.warmUpMs);
      for (let round = 0; round < schedule.rounds; round++) {
        showProgress(`set ${set + 1} of ${schedule.sets}, round ${round + 1} of ${schedule.rounds}`);
        for (const row of rows) {
          const measureMs = row.isKey ? schedule.measureKeyMs : schedule.measureMs;
          rounds.get(row)?.push(await measure(row, schedule.settleMs, measureMs));
        }
      }
    } finally {
      for (const server of servers.values()) await server.stop();
    }
  }
  showProgress("");
  return rounds;
}

function showProgress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r${CLEAR_LINE}${text}`);
}

async function startServers(rows: readonly Row[], surroundings: Surroundings): Promise<Map<ServerName, Server>> {
  const servers = new Map<ServerName, Server>();
  for (const name of new Set(rows.flatMap(({ subject, against }) => [subject.server, against.server])))
    servers.set(name, await startServer(name, surroundings));
  return servers;
}

function orderOf(
  { server, requests, expect }: Work,
  servers: ReadonlyMap<ServerName, Server>,
  settleMs: number,
  measureMs: number,
): LoadOrder {
  const { port = 0, pid = 0 } = servers.get(server) ?? {};
  return { port, pid, requests, expect, connections: CONNECTIONS, settleMs, measureMs };
}

async function load(loader: ChildProcess, row: Row, order: LoadOrder): Promise<LoadCount> {
  loader.send(order);
  const report = await nextMessage<LoadReport>(loader);
  if (!report.ok) throw new Error(`${row.title}: ${report.why}`);
  return report.count;
}
