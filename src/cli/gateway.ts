import { join } from "node:path";
import { Log, LogLevel, Miniflare, type V4WorkerOptions, convertV4MiniflareOptions } from "miniflare";
import { ROOT } from "./paths.ts";

/** The built Worker on workerd, with D1 and all other bindings of `wrangler.toml`. */
export interface Gateway {
  /** Without a trailing slash. */
  readonly url: string;
  stop(): Promise<void>;
}

export interface GatewayOptions {
  /** 0: any free port. */
  readonly port: number;
  /** As `readWorkerOptions` returns them. */
  readonly workerOptions: V4WorkerOptions;
  /** Variables and secrets; they override those of `wrangler.toml`. */
  readonly settings: Readonly<Record<string, string>>;
  /** The folder that keeps the data between runs. Its database must have all migrations. */
  readonly statePath: string;
  /** Receives the Worker's log, one line per call. */
  readonly onLog: (line: string) => void;
}

/** Runs the Worker that `buildWorker` has built. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { port, workerOptions, settings, statePath, onLog } = options;
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      host: "127.0.0.1",
      port,
      log: new Log(LogLevel.NONE),
      handleStructuredLogs: ({ message }) => onLog(message),
      // Where wrangler keeps local data.
      resourcePersistencePath: join(statePath, "v3"),
      workers: [
        {
          ...workerOptions,
          name: "sluice",
          modules: [{ type: "ESModule", path: join(ROOT, "dist", "index.js") }],
          bindings: { ...workerOptions.bindings, ...settings },
        },
      ],
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
