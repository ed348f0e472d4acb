import type { ChildProcess } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../support/free-port.ts";
import { loadWith } from "./measure.ts";
import type { Row } from "./rows.ts";
import { type Surroundings, moduleOf, startServer } from "./servers.ts";

/** Milliseconds of load before the profile, for the JIT compiler, and during it. */
const WARM_UP_MS = 10_000;
const PROFILE_MS = 10_000;
const SAMPLE_MICROSECONDS = 200;
/** Lines of a table. */
const SHOWN = 25;

interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
    readonly children?: readonly number[];
  }[];
  readonly samples: readonly number[];
}

/**
 * Samples the subject of a row under load with V8's profiler, and lists where the time goes: by function, the time in it alone
 * and with what it calls. "(program)" is the runtime: network, SQLite, calls between Worker and object.
 */
export async function profileRow(row: Row, surroundings: Surroundings, loader: ChildProcess): Promise<string> {
  const inspectorPort = await freePort();
  const server = await startServer(row.subject.server, surroundings, inspectorPort);
  try {
    await loadWith(loader, row, row.subject, server, WARM_UP_MS);
    const inspector = await connect(inspectorPort);
    await inspector.call("Profiler.enable");
    await inspector.call("Profiler.setSamplingInterval", { interval: SAMPLE_MICROSECONDS });
    await inspector.call("Profiler.start");
    await loadWith(loader, row, row.subject, server, PROFILE_MS);
    const { profile } = (await inspector.call("Profiler.stop")) as { profile: Profile };
    inspector.close();
    const bundle = await readFile(join(surroundings.folder, moduleOf(row.subject.server)), "utf8");
    return `${row.title}: where the time goes\n${tableOf(profile, sourcesOf(bundle))}`;
  } finally {
    await server.stop();
  }
}

async function connect(port: number) {
  // The inspector listens after the server's own port.
  let targets: { webSocketDebuggerUrl: string }[] = [];
  while (targets.length === 0) {
    targets = await fetch(`http://127.0.0.1:${port}/json`).then(
      (answer) => answer.json() as Promise<typeof targets>,
      () => [],
    );
    if (targets.length === 0) await sleep(50);
  }
  // The first target is the measured Worker; the others simulate its bindings.
  const socket = new WebSocket(targets[0]?.webSocketDebuggerUrl ?? "");
  await new Promise((resolve, reject) => {
    socket.addEventListener("open", resolve);
    socket.addEventListener("error", () => reject(new Error("The inspector refuses the connection.")));
  });
  let calls = 0;
  return {
    call(method: string, params: object = {}): Promise<unknown> {
      const id = ++calls;
      return new Promise((resolve, reject) => {
        socket.addEventListener("message", function read({ data }) {
          const message = JSON.parse(String(data)) as { id?: number; result?: unknown; error?: unknown };
          if (message.id !== id) return;
          socket.removeEventListener("message", read);
          if (message.error) reject(new Error(JSON.stringify(message.error)));
          else resolve(message.result);
        });
        socket.send(JSON.stringify({ id, method, params }));
      });
    },
    close: () => socket.close(),
  };
}

/** The source file of each line of a bundle that is not minified: esbuild writes the file's name above its code. */
function sourcesOf(bundle: string): readonly string[] {
  let source = "";
  return bundle.split("\n").map((line) => {
    source = /^\s*\/\/ ((?:src|test|node_modules)\/.*)$/.exec(line)?.[1]?.replace("node_modules/", "") ?? source;
    return source;
  });
}

type Frame = Profile["nodes"][number]["callFrame"];

function tableOf({ nodes, samples }: Profile, sources: readonly string[]): string {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const parents = new Map<number, number>();
  for (const { id, children = [] } of nodes) for (const child of children) parents.set(child, id);
  const stackOf = (sample: number): Frame[] => {
    const stack: Frame[] = [];
    for (let id: number | undefined = sample; id !== undefined; id = parents.get(id)) {
      const frame = frames.get(id);
      if (frame) stack.push(frame);
    }
    return stack;
  };
  const sourceOf = ({ url, lineNumber }: Frame) => (url ? (sources[lineNumber] ?? url) : "");
  const functionOf = (frame: Frame) => `${frame.functionName || "(anonymous)"} ${sourceOf(frame)}`.trim();

  const stacks = samples.map(stackOf).filter(([top]) => top?.functionName !== "(idle)");
  const [alone, withCalls, byFile, byFolder] = [new Counts(), new Counts(), new Counts(), new Counts()];
  for (const stack of stacks) {
    const [top] = stack;
    if (!top) continue;
    alone.add(functionOf(top));
    for (const name of new Set(stack.map(functionOf))) withCalls.add(name);
    // What the runtime does for a file, like `fetch` or `exec`, counts as the file's.
    const own = stack.find(({ url }) => url !== "");
    const file = own ? sourceOf(own) : functionOf(top);
    byFile.add(file);
    byFolder.add(folderOf(file));
  }
  const percent = (count: number) => `${((100 * count) / stacks.length).toFixed(1)} %`.padStart(7);
  return [
    "by folder or package, with what the runtime does for it",
    ...byFolder.largest(SHOWN).map(([name, count]) => `${percent(count)}  ${name}`),
    "by file",
    ...byFile.largest(SHOWN).map(([name, count]) => `${percent(count)}  ${name}`),
    "by function: alone, and with what it calls",
    ...alone.largest(SHOWN).map(([name, count]) => `${percent(count)} ${percent(withCalls.of(name))}  ${name}`),
  ].join("\n");
}

/** `src/core/policy` of `src/core/policy/rules/apply.ts`, `hono` of `hono/dist/context.js`. */
function folderOf(file: string): string {
  const parts = file.split("/");
  return parts.slice(0, parts[0] === "src" ? Math.min(3, parts.length - 1) : 1).join("/");
}

class Counts {
  readonly #counts = new Map<string, number>();

  add(name: string): void {
    this.#counts.set(name, this.of(name) + 1);
  }

  of(name: string): number {
    return this.#counts.get(name) ?? 0;
  }

  largest(count: number): [name: string, count: number][] {
    return [...this.#counts].toSorted(([, a], [, b]) => b - a).slice(0, count);
  }
}
