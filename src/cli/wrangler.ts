import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import type { V4WorkerOptions } from "miniflare";
import { ROOT } from "./paths.ts";
import { runIfChanged } from "./run-if-changed.ts";

const CONFIG = join(ROOT, "wrangler.toml");

// Otherwise wrangler prints to standard output and sends metrics.
process.env["WRANGLER_LOG"] = "error";
process.env["WRANGLER_SEND_METRICS"] = "false";
process.env["WRANGLER_HIDE_BANNER"] = "true";

/** Bundles the Worker as a deployment would, into `dist`; the benchmark bundles other entries with the same bindings. */
export async function buildWorker(
  entry = join(ROOT, "src", "index.ts"),
  folder = "dist",
  ...options: readonly string[]
): Promise<void> {
  await wrangler("deploy", entry, "--dry-run", "--outdir", folder, ...options);
}

/** Bundles the Worker into `dist`, unless what is there is the bundle of these sources and packages. */
export async function ensureBuilt(): Promise<void> {
  const inputs = ["src", "wrangler.toml", "tsconfig.json", "node_modules/.package-lock.json"];
  const files = {
    inputs: inputs.map((path) => join(ROOT, path)),
    outputs: [join(ROOT, "dist", "index.js")],
    stamp: join(ROOT, "dist", "build.sha256"),
  };
  await runIfChanged(files, () => buildWorker());
}

/** Applies all migrations to the local database in this folder. */
export async function migrate(statePath: string): Promise<void> {
  await wrangler("d1", "migrations", "apply", "sluice", "--local", "--persist-to", statePath);
}

/** Applies all migrations, unless they have been applied to the local database in this folder. */
export async function ensureMigrated(statePath: string): Promise<void> {
  const files = {
    inputs: [join(ROOT, "src", "adapters", "d1", "migrations")],
    outputs: [],
    // In the folder of the database, so that both are deleted together.
    stamp: join(statePath, "v3", "d1", "migrations.sha256"),
  };
  await runIfChanged(files, () => migrate(statePath));
}

/** Reads the bindings and other settings of `wrangler.toml` as Miniflare's options, which are plain data. */
export async function readWorkerOptions(): Promise<V4WorkerOptions> {
  // Loaded here, since loading wrangler takes more than a second and not all callers need it.
  const { unstable_getMiniflareWorkerOptions } = await import("wrangler");
  return unstable_getMiniflareWorkerOptions(CONFIG).workerOptions as V4WorkerOptions;
}

async function wrangler(...args: string[]): Promise<void> {
  const cli = join(ROOT, "node_modules", "wrangler", "bin", "wrangler.js");
  await promisify(execFile)(process.execPath, [cli, ...args, "--config", CONFIG], { cwd: ROOT });
}
