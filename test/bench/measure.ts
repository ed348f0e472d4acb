import type { ChildProcess } from "node:child_process";
import { nextMessage } from "./processes.ts";
import type { Row, Work } from "./rows.ts";
import { type Surroundings, startServer } from "./servers.ts";
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
  /** The two one after the other, each with one connection and the processor to itself. */
  readonly alone?: Pick<Round, "subject" | "against">;
}

const CLEAR_LINE = "\x1b[K";

/** Concurrent requests on each side. */
const CONNECTIONS = 16;

/**
 * Measures all rows. A machine's speed drifts two-fold within an hour, so both sides of a row run concurrently on the same
 * processor.
 *
 * Each row has two processes of its own, which are started together and warmed by the same time of load: a process that serves
 * more rows has more compiled code and warmer caches, and is up to a third faster. What remains of a difference in order
 * (who is started first, which load generator) changes sides.
 */
export async function measureRows(
  rows: readonly Row[],
  schedule: Schedule,
  surroundings: Surroundings,
  loaders: readonly [ChildProcess, ChildProcess],
): Promise<Map<Row, Round[]>> {
  const rounds = new Map(rows.map((row): [Row, Round[]] => [row, []]));
  for (let set = 0; set < schedule.sets; set++)
    for (const row of rows) {
      showProgress(`set ${set + 1} of ${schedule.sets}: ${row.title}`);
      rounds.get(row)?.push(...(await measureRow(row, schedule, surroundings, loaders, set % 2 === 1)));
    }
  showProgress("");
  return rounds;
}

/** @param isSwapped whether the opponent is started first */
async function measureRow(
  row: Row,
  schedule: Schedule,
  surroundings: Surroundings,
  [first, second]: readonly [ChildProcess, ChildProcess],
  isSwapped: boolean,
): Promise<Round[]> {
  const names = [row.subject.server, row.against.server] as const;
  const servers: Server[] = [];
  try {
    for (const name of isSwapped ? names.toReversed() : names) servers.push(await startServer(name, surroundings));
    const [subject, against] = (isSwapped ? servers.toReversed() : servers) as [Server, Server];
    const measure = async (settleMs: number, measureMs: number, swap = false): Promise<Round> => {
      const [one, other] = swap ? [second, first] : [first, second];
      const counts = await Promise.all([
        load(one, row, orderOf(row.subject, subject, settleMs, measureMs)),
        load(other, row, orderOf(row.against, against, settleMs, measureMs)),
      ]);
      return { subject: counts[0], against: counts[1] };
    };
    await measure(0, row.warmUpMs ?? schedule.warmUpMs);
    const measureAlone = async (): Promise<Round> => {
      const one = (work: Work, server: Server) =>
        load(first, row, { ...orderOf(work, server, schedule.settleMs, schedule.measureMs), connections: 1 });
      return { subject: await one(row.subject, subject), against: await one(row.against, against) };
    };
    const measured: Round[] = [];
    for (let round = 0; round < schedule.rounds; round++) {
      const measureMs = row.isKey ? schedule.measureKeyMs : schedule.measureMs;
      const together = await measure(schedule.settleMs, measureMs, round % 2 === 1);
      measured.push(row.hasLatency ? { ...together, alone: await measureAlone() } : together);
    }
    return measured;
  } finally {
    for (const server of servers) await server.stop();
  }
}

function showProgress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r${CLEAR_LINE}${text}`);
}

function orderOf({ requests, expect }: Work, { port, pid }: Server, settleMs: number, measureMs: number): LoadOrder {
  return { port, pid, requests, expect, connections: CONNECTIONS, settleMs, measureMs };
}

/** Loads one server alone. */
export async function loadWith(
  loader: ChildProcess,
  row: Row,
  work: Work,
  server: Server,
  milliseconds: number,
): Promise<void> {
  await load(loader, row, orderOf(work, server, 0, milliseconds));
}

async function load(loader: ChildProcess, row: Row, order: LoadOrder): Promise<LoadCount> {
  loader.send(order);
  const report = await nextMessage<LoadReport>(loader);
  if (!report.ok) throw new Error(`${row.title}: ${report.why}`);
  return report.count;
}
