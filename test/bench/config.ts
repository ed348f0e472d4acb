import { copyFile, mkdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { unstable_readConfig } from "wrangler";
import { ROOT } from "../../src/cli/paths.ts";

const wrangler = unstable_readConfig({ config: join(ROOT, "wrangler.toml") });

/** Miniflare's D1, rate limit and analytics are Workers; these are their modules, named as they import each other. */
const SIMULATORS = join(dirname(createRequire(import.meta.url).resolve("miniflare")), "workers");
export const MINIFLARE_RATE_LIMIT = "ratelimit/ratelimit.worker.js";
const MODULES = [
  "analytics-engine/analytics-engine.worker.js",
  "d1/database.worker.js",
  "d1/entry.worker.js",
  "ratelimit/ratelimit-object.worker.js",
  MINIFLARE_RATE_LIMIT,
  "shared/index.worker.js",
  "shared/object-entry.worker.js",
  "shared/zod.worker.js",
];

/** Copies the files that a configuration embeds into `folder`, including the measured Workers. */
export async function layOut(folder: string, workers: Readonly<Record<string, string>>): Promise<void> {
  for (const module of MODULES) {
    await mkdir(dirname(join(folder, module)), { recursive: true });
    await copyFile(join(SIMULATORS, module), join(folder, module));
  }
  for (const [name, path] of Object.entries(workers)) await copyFile(path, join(folder, name));
}

export interface WorkerConfig {
  /** The built module: a file in the folder that `layOut` filled. */
  readonly module: string;
  /** Variables and secrets, over those of `wrangler.toml`. */
  readonly settings: Readonly<Record<string, string>>;
  /** Where `wrangler --persist-to` keeps its data. */
  readonly statePath: string;
  /** Replaces the rate limit: a module in the folder. */
  readonly rateLimit: string;
  /** Whether the module exports the Durable Objects of `wrangler.toml`. */
  readonly hasObjects: boolean;
}

/**
 * A Worker as `wrangler.toml` configures it, without Miniflare's own Workers between socket, Worker and network: they cost
 * several times what is measured. The bindings are Miniflare's real ones; their Workers run beside the gateway, and in the
 * baseline's process too, so that two processes differ in the Worker only. Objects are never evicted: a thousand of them take
 * turns more slowly than workerd evicts them, and start-up of objects is not measured.
 */
export function workerdConfig({ module, settings, statePath, rateLimit, hasObjects }: WorkerConfig): string {
  const bindings = { ...wrangler.vars, ...settings };
  const [database] = wrangler.d1_databases;
  const [limit] = wrangler.ratelimits;
  const objects: { name: string; class_name: string }[] = hasObjects ? wrangler.durable_objects.bindings : [];
  if (!database?.database_id || !limit) throw new Error("wrangler.toml declares no database, or no rate limit.");
  return `using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "worker")],
  services = [
    (name = "internet", network = (allow = ["private"])),
    (name = "worker", worker = (
      compatibilityDate = ${text(wrangler.compatibility_date)},
      compatibilityFlags = [${wrangler.compatibility_flags.map(text).join(", ")}],
      modules = [(name = "index.js", esModule = embed ${text(module)})],
      bindings = [
        ${Object.entries(bindings)
          .map(([name, value]) => `(name = ${text(name)}, text = ${text(String(value))}),`)
          .join("\n        ")}
        (name = ${text(database.binding)}, wrapped = (moduleName = "cloudflare-internal:d1-api", innerBindings = [
          (name = "fetcher", service = (name = "d1", props = (json = ${namespace(database.database_id)}))),
        ])),
        (name = ${text(limit.name)}, wrapped = (moduleName = "bench:rate-limit", innerBindings = [
          (name = "fetcher", service = (name = "rate-limit", props = (json = ${namespace(limit.namespace_id)}))),
          (name = "limit", json = "${limit.simple.limit}"),
          (name = "period", json = "${limit.simple.period}"),
        ])),
        (name = "ANALYTICS", wrapped = (moduleName = "bench:analytics", innerBindings = [
          (name = "dataset", json = "\\"sluice\\""),
        ])),
        ${objects.map(({ name, class_name }) => `(name = ${text(name)}, durableObjectNamespace = ${text(class_name)}),`).join("\n        ")}
      ],
      durableObjectNamespaces = [
        ${objects.map(({ class_name }) => `(className = ${text(class_name)}, uniqueKey = ${text(`sluice-${class_name}`)}, enableSql = true, preventEviction = true),`).join("\n        ")}
      ],
      durableObjectStorage = (localDisk = "objects"),
    )),
    (name = "objects", disk = (path = ${text(join(statePath, "v3", "do"))}, writable = true)),
    ${simulator("d1", "d1/entry.worker.js", "d1/database.worker.js", "D1DatabaseObject", join(statePath, "v3", "d1"))}
    ${simulator(
      "rate-limit",
      "shared/object-entry.worker.js",
      "ratelimit/ratelimit-object.worker.js",
      "RateLimiterObject",
      join(statePath, "v3", "ratelimit"),
    )}
  ],
  extensions = [(modules = [
    (name = "miniflare:shared", esModule = embed "shared/index.worker.js"),
    (name = "miniflare:zod", esModule = embed "shared/zod.worker.js"),
    (name = "bench:rate-limit", esModule = embed ${text(rateLimit)}, internal = true),
    (name = "bench:analytics", esModule = embed "analytics-engine/analytics-engine.worker.js", internal = true),
  ])],
);
`;
}

/** A binding's Worker and its Durable Object, as Miniflare sets them up, on wrangler's data folder. */
function simulator(name: string, entry: string, object: string, className: string, path: string): string {
  return `(name = "${name}", worker = (
      compatibilityDate = "2023-07-24",
      compatibilityFlags = ["enhanced_error_serialization"],
      modules = [(name = "entry.js", esModule = embed "${entry}")],
      bindings = [(name = "MINIFLARE_OBJECT", durableObjectNamespace = (className = "${className}", serviceName = "${name}:object"))],
    )),
    (name = "${name}:object", worker = (
      compatibilityDate = "2023-07-24",
      compatibilityFlags = ["nodejs_compat", "experimental"],
      modules = [(name = "object.js", esModule = embed "${object}")],
      durableObjectNamespaces = [(className = "${className}", uniqueKey = "miniflare-${className}", enableSql = true)],
      durableObjectStorage = (localDisk = "${name}:storage"),
    )),
    (name = "${name}:storage", disk = (path = ${text(path)}, writable = true)),`;
}

function namespace(id: string): string {
  return text(JSON.stringify({ MINIFLARE_NAMESPACE: id }));
}

/** A Cap'n Proto string. Its escapes are C's, which include JSON's for ASCII. */
function text(value: string): string {
  return JSON.stringify(value);
}
