import { cp, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { MINIFLARE_RATE_LIMIT, workerdConfig } from "./config.ts";
import { nextMessage, start, stop } from "./processes.ts";
import { OPERATOR_TOKEN } from "./state.ts";
import { type Server, serve } from "./workerd.ts";
import { STUB_UPLOAD_HOST } from "./wire.ts";

export type ServerName = keyof typeof SERVERS | keyof typeof PEERS;

interface ServerOptions {
  readonly module:
    | "gateway.js"
    | "open-worker.js"
    | "before/open-worker.js"
    | "counting-worker.js"
    | "pass-through.js"
    | "floor.js"
    | "admission-floor.js";
  /** The database to copy. */
  readonly state: "one" | "many" | "active" | "uploads-100k" | "uploads-1m";
  readonly settings?: Readonly<Record<string, string>>;
  /** Default: `rate-limit.js`. */
  readonly rateLimit?: string;
}

/** Modules in the folder of a run. */
export const GATEWAY_MODULE = "gateway.js";
const OPEN_MODULE = "open-worker.js";
/** The same of another version. */
export const BEFORE_FOLDER = "before";
const BEFORE_MODULE = "before/open-worker.js";
const COUNTING_MODULE = "counting-worker.js";
export const BASELINE_MODULE = "pass-through.js";
export const FLOOR_MODULE = "floor.js";
export const ADMISSION_FLOOR_MODULE = "admission-floor.js";
export const RATE_LIMIT_MODULE = "rate-limit.js";

/** Longer than a run, so that nothing is read from D1 again: other rows measure D1. */
const CACHED = { REGISTRY_CACHE_SECONDS: "300" };
/** No cache: each request reads the registry. */
const UNCACHED = { REGISTRY_CACHE_SECONDS: "0" };

const SERVERS = {
  baseline: { module: BASELINE_MODULE, state: "one" },
  floor: { module: FLOOR_MODULE, state: "one" },
  "admission-floor": { module: ADMISSION_FLOOR_MODULE, state: "one" },
  gateway: { module: OPEN_MODULE, state: "one" },
  "gateway-before": { module: BEFORE_MODULE, state: "one" },
  "gateway-admitting": { module: GATEWAY_MODULE, state: "one" },
  "gateway-counting": { module: COUNTING_MODULE, state: "one" },
  "gateway-100k": { module: GATEWAY_MODULE, state: "uploads-100k" },
  "gateway-1m": { module: GATEWAY_MODULE, state: "uploads-1m" },
  "gateway-active": { module: GATEWAY_MODULE, state: "active", settings: CACHED },
  "gateway-miniflare-limit": { module: OPEN_MODULE, state: "one", rateLimit: MINIFLARE_RATE_LIMIT },
  "gateway-many": { module: OPEN_MODULE, state: "many" },
  "gateway-uncached": { module: OPEN_MODULE, state: "one", settings: UNCACHED },
  "gateway-many-uncached": { module: OPEN_MODULE, state: "many", settings: UNCACHED },
} as const satisfies Readonly<Record<string, ServerOptions>>;

/** Programs on Node, with what each gets as its argument. */
const PEERS = {
  "tus-server": { program: "peer-tus-server.ts", argument: "folder" },
  "hono-proxy": { program: "peer-hono-proxy.ts", argument: "upstream" },
} as const;

/** Files and upstream of the servers of a run. */
export interface Surroundings {
  readonly folder: string;
  readonly stubPort: number;
}

let started = 0;

/** Starts a server with a folder of its own. */
export async function startServer(
  name: ServerName,
  surroundings: Surroundings,
  inspectorPort?: number,
): Promise<Server> {
  const statePath = join(surroundings.folder, `state-${++started}`);
  const server = await (isPeer(name)
    ? startPeer(name, statePath, surroundings)
    : startOnCopy(name, statePath, surroundings, inspectorPort));
  return {
    ...server,
    async stop() {
      await server.stop();
      await rm(statePath, { recursive: true });
    },
  };
}

/** The file of a Worker in the folder of a run. */
export function moduleOf(name: ServerName): string {
  if (isPeer(name)) throw new Error(`${name} is not a Worker.`);
  return SERVERS[name].module;
}

export function stateOf(name: ServerName): string | undefined {
  return isPeer(name) ? undefined : SERVERS[name].state;
}

function isPeer(name: ServerName): name is keyof typeof PEERS {
  return name in PEERS;
}

/** Starts a Worker on a copy of its database: with two workerd on one file, reads fail with SQLITE_BUSY. */
async function startOnCopy(
  name: keyof typeof SERVERS,
  statePath: string,
  surroundings: Surroundings,
  inspectorPort?: number,
): Promise<Server> {
  await cp(join(surroundings.folder, SERVERS[name].state), statePath, { recursive: true });
  return startServerOn(statePath, name, surroundings, inspectorPort);
}

async function startPeer(name: keyof typeof PEERS, folder: string, { stubPort }: Surroundings): Promise<Server> {
  await mkdir(folder);
  const { program, argument } = PEERS[name];
  const args = [join(import.meta.dirname, program), argument === "folder" ? folder : `http://127.0.0.1:${stubPort}`];
  const startedAt = performance.now();
  const child = start("measured", process.execPath, args, ["ignore", "inherit", "inherit", "ipc"]);
  const port = await nextMessage<number>(child);
  return { pid: child.pid ?? 0, port, startedAt, stop: () => stop(child) };
}

export function startServerOn(
  statePath: string,
  name: keyof typeof SERVERS,
  { folder, stubPort }: Surroundings,
  inspectorPort?: number,
): Promise<Server> {
  const { module, settings, rateLimit = RATE_LIMIT_MODULE }: ServerOptions = SERVERS[name];
  const config = workerdConfig({
    module,
    rateLimit,
    statePath,
    hasObjects: module !== BASELINE_MODULE && module !== FLOOR_MODULE,
    settings: {
      OPERATOR_TOKEN,
      GRANT_KEYS: `g1:${Buffer.alloc(32, 1).toString("base64")}`,
      MASTER_KEYS: `m1:${Buffer.alloc(32, 2).toString("base64")}`,
      STREAM_API_BASE: `http://127.0.0.1:${stubPort}`,
      STREAM_UPLOAD_HOSTS: STUB_UPLOAD_HOST,
      STREAM_ACCOUNT_ID: "0123456789abcdef0123456789abcdef",
      STREAM_API_TOKEN: "token-of-the-bench",
      // More than any machine creates in a window.
      STREAM_CALLS_PER_WINDOW: "1000000",
      ALLOW_LOOPBACK: "true",
      ...settings,
    },
  });
  return serve(folder, config, inspectorPort);
}
