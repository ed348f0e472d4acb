import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { Log, LogLevel, Miniflare, type V4WorkerOptions, convertV4MiniflareOptions } from "miniflare";
import { ROOT } from "./paths.ts";

const CONFIG = join(ROOT, "wrangler.toml");

// Or wrangler speaks on standard output, and to others.
process.env["WRANGLER_LOG"] = "error";
process.env["WRANGLER_SEND_METRICS"] = "false";
process.env["WRANGLER_HIDE_BANNER"] = "true";
const { unstable_getMiniflareWorkerOptions } = await import("wrangler");

/** The built Worker on workerd, with D1 and all else that `wrangler.toml` declares. */
export interface Gateway {
  /** Without a trailing slash. */
  readonly url: string;
  stop(): Promise<void>;
}

export interface GatewayOptions {
  /** 0: any that is free. */
  readonly port: number;
  /** Variables and secrets, over those of `wrangler.toml`. */
  readonly settings: Readonly<Record<string, string>>;
  /** The folder in which data stay between runs. */
  readonly statePath: string;
  /** Takes the Worker's log, a line at a time. */
  readonly onLog: (line: string) => void;
}

/** Bundles the Worker as a deployment would, into `dist`; or another that has its bindings, for the benchmark. */
export async function buildWorker(entry = join(ROOT, "src", "index.ts"), folder = "dist"): Promise<void> {
  await wrangler("deploy", entry, "--dry-run", "--outdir", folder);
}

/** Brings the local database in this folder up to date. */
export async function migrate(statePath: string): Promise<void> {
  await wrangler("d1", "migrations", "apply", "sluice", "--local", "--persist-to", statePath);
}

/** Runs what `buildWorker` has built, on a database that has all migrations. */
export async function startGateway({ port, settings, statePath, onLog }: GatewayOptions): Promise<Gateway> {
  await migrate(statePath);
  const { workerOptions } = unstable_getMiniflareWorkerOptions(CONFIG);
  const worker = {
    ...workerOptions,
    name: "sluice",
    modules: [{ type: "ESModule", path: join(ROOT, "dist", "index.js") }],
    bindings: { ...(workerOptions as V4WorkerOptions).bindings, ...settings },
  };
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      host: "127.0.0.1",
      port,
      log: new Log(LogLevel.NONE),
      handleStructuredLogs: ({ message }) => onLog(message),
      // Where wrangler keeps local data.
      resourcePersistencePath: join(statePath, "v3"),
      workers: [worker as V4WorkerOptions],
    }),
  );
  try {
    const url = await miniflare.ready;
    return { url: url.origin, stop: () => miniflare.dispose() };
  } catch (error) {
    await miniflare.dispose();
    throw error;
  }
}

async function wrangler(...args: string[]): Promise<void> {
  const cli = join(ROOT, "node_modules", "wrangler", "bin", "wrangler.js");
  await promisify(execFile)(process.execPath, [cli, ...args, "--config", CONFIG], { cwd: ROOT });
}
