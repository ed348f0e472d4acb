import { once } from "node:events";
import { readFileSync, readdirSync } from "node:fs";
import { type Socket, connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { quantileOf } from "./statistics.ts";
import { HEAD_END, type LoadCount, type LoadOrder, type LoadReport } from "./wire.ts";

/**
 * Generates load in a separate process: each connection sends its next request after the complete response. Uses raw sockets,
 * since an HTTP client would cost more than the measured Worker.
 */
process.on("message", (order: LoadOrder) => {
  void (async () => {
    let report: LoadReport;
    try {
      report = { ok: true, count: await load(order) };
    } catch (error) {
      report = { ok: false, why: error instanceof Error ? error.message : String(error) };
    }
    process.send?.(report);
  })();
});

async function load(order: LoadOrder): Promise<LoadCount> {
  const requests = order.requests.map((request) => Buffer.from(request, "latin1"));
  let sent = 0;
  let answered = 0;
  let latencies: number[] = [];
  let running = true;
  const sockets: Socket[] = [];
  const failed = new Promise<never>((_, reject) => {
    for (let index = 0; index < order.connections; index++) {
      const socket = connect({ port: order.port, host: "127.0.0.1", noDelay: true });
      let sentAt = 0;
      const send = () => {
        sentAt = performance.now();
        socket.write(requests[sent++ % requests.length] ?? "");
      };
      const onAnswer = (status: number, text: string) => {
        if (!order.expect.includes(status)) return reject(new Error(`Answered ${status}: ${text}`));
        answered++;
        latencies.push(performance.now() - sentAt);
        return running ? send() : socket.destroy();
      };
      socket.on("connect", send);
      socket.on("data", answerReader(onAnswer));
      socket.on("error", reject);
      socket.on("close", () => running && reject(new Error("The connection was closed.")));
      sockets.push(socket);
    }
  });

  const snapshot = () => ({ answered, at: performance.now(), cpuSeconds: cpuSecondsOf(order.pid) });
  const measured = (async () => {
    await sleep(order.settleMs);
    const before = snapshot();
    latencies = [];
    await sleep(order.measureMs);
    const after = snapshot();
    return {
      requests: after.answered - before.answered,
      seconds: (after.at - before.at) / 1000,
      cpuSeconds: after.cpuSeconds - before.cpuSeconds,
      latencyMs: { p50: quantileOf(latencies, 0.5), p99: quantileOf(latencies, 0.99) },
    };
  })();

  try {
    return await Promise.race([measured, failed]);
  } finally {
    running = false;
    await drained(sockets);
  }
}

/** A response takes a few milliseconds. */
const DRAIN_MS = 1_000;

/** Waits for pending responses: aborting them would add other work to the next round. */
async function drained(sockets: readonly Socket[]): Promise<void> {
  const closed = sockets.filter(({ closed }) => !closed).map((socket) => once(socket, "close"));
  await Promise.race([Promise.all(closed), sleep(DRAIN_MS)]);
  for (const socket of sockets) socket.destroy();
}

/** Splits a connection's stream into responses. */
function answerReader(onAnswer: (status: number, text: string) => void): (chunk: Buffer) => void {
  let text = "";
  return (chunk) => {
    text += chunk.toString("latin1");
    const headEnd = text.indexOf(HEAD_END);
    if (headEnd < 0) return;
    const bodyStart = headEnd + HEAD_END.length;
    const length = /\r\ncontent-length: (\d+)/i.exec(text)?.[1];
    if (length === undefined ? !text.endsWith(`0${HEAD_END}`) : text.length < bodyStart + Number(length)) return;
    const answer = text;
    text = "";
    onAnswer(Number(answer.slice("HTTP/1.1 ".length, "HTTP/1.1 200".length)), answer);
  };
}

/** CPU time of all threads of a process in nanoseconds, from the scheduler. */
function cpuSecondsOf(pid: number): number {
  const tasks = `/proc/${pid}/task`;
  let nanoseconds = 0;
  try {
    for (const task of readdirSync(tasks))
      nanoseconds += Number(readFileSync(`${tasks}/${task}/schedstat`, "latin1").split(" ", 1)[0]);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  return nanoseconds / 1e9;
}

process.on("disconnect", () => process.exit());
