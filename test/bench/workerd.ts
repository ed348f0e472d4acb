import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { start, stop } from "./processes.ts";

/** A Worker served by its own workerd process. */
export interface Server {
  readonly pid: number;
  readonly port: number;
  /** Start time, by `performance.now()`. */
  readonly startedAt: number;
  stop(): Promise<void>;
}

/** The workerd of Miniflare, which the tests use too. */
const WORKERD = (createRequire(createRequire(import.meta.url).resolve("miniflare"))("workerd") as { default: string })
  .default;
/** File descriptor on which workerd reports its ports. */
const CONTROL_FD = 3;

let served = 0;

/** Serves a configuration with files relative to `folder` and a socket named `http`. */
export async function serve(folder: string, config: string, inspectorPort?: number): Promise<Server> {
  const path = join(folder, `config-${++served}.capnp`);
  await writeFile(path, config);
  const args = ["serve", "--experimental", `--control-fd=${CONTROL_FD}`, path];
  if (inspectorPort !== undefined) args.splice(1, 0, `--inspector-addr=127.0.0.1:${inspectorPort}`);
  // Writing a log line is part of the gateway's cost; reading it is not.
  const startedAt = performance.now();
  const child = start("measured", WORKERD, args, ["ignore", "ignore", "inherit", "pipe"]);
  const port = await listening(child);
  return { pid: child.pid ?? 0, port, startedAt, stop: () => stop(child) };
}

async function listening(child: ChildProcess): Promise<number> {
  const control = child.stdio[CONTROL_FD] as Readable;
  let text = "";
  control.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  const ended = once(child, "exit");
  for (;;) {
    const found = /"socket":"http","port":(\d+)/.exec(text)?.[1];
    if (found !== undefined) return Number(found);
    await Promise.race([
      once(control, "data"),
      ended.then(() => {
        throw new Error("workerd has ended.");
      }),
    ]);
  }
}
