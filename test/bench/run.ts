import { existsSync, rmSync } from "node:fs";
import { mkdir, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { buildWorker, migrate } from "../../src/cli/wrangler.ts";
import { ROOT } from "../../src/cli/paths.ts";
import { layOut } from "./config.ts";
import type { Credentials } from "./credentials.ts";
import { measureEvents } from "./events.ts";
import { type Schedule, measureRows } from "./measure.ts";
import { profileRow } from "./profile.ts";
import { PINNED, nextMessage, startProgram } from "./processes.ts";
import {
  reportBundle,
  reportEvents,
  reportLatencies,
  reportRows,
  reportRowsWritten,
  reportStartUp,
  reportToken,
} from "./report.ts";
import { makeRows } from "./rows.ts";
import { countCosts } from "./rows-written.ts";
import {
  ADMISSION_FLOOR_MODULE,
  BEFORE_FOLDER,
  BASELINE_MODULE,
  FLOOR_MODULE,
  GATEWAY_MODULE,
  RATE_LIMIT_MODULE,
  type Surroundings,
  startServerOn,
  stateOf,
} from "./servers.ts";
import { gzipKiB, measureStartUps } from "./startup.ts";
import { addActiveTenants, addTenants, addUploads, seed } from "./state.ts";

/**
 * `npm run bench -- [--quick] [--only key,grant] [--profile] [--before ../other]`: measures the gateway's CPU time and requests per second as a ratio to a Worker
 * that checks nothing, and to the least that the platform can do it for. It asserts nothing. `--quick` omits rows without a bar,
 * unless `--only` names them; `--only` omits what is not in the table. `--profile`
 * shows instead where the time of each row's subject goes. `--before` adds rows against another version, given by the folder of its sources.
 */
const FULL = {
  sets: 3,
  rounds: 4,
  measureMs: 1_000,
  measureKeyMs: 3_000,
  settleMs: 300,
  warmUpMs: 6_000,
  activeTenants: 1_000,
  startUps: 9,
  events: 3_000,
};
/** For a glance: too cold and too short for figures. */
const QUICK = {
  sets: 1,
  rounds: 2,
  measureMs: 500,
  measureKeyMs: 1_000,
  settleMs: 150,
  warmUpMs: 2_000,
  activeTenants: 100,
  startUps: 3,
  events: 100,
};

const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean" },
    only: { type: "string" },
    profile: { type: "boolean" },
    before: { type: "string" },
  },
});
const schedule: Schedule & Readonly<Record<"activeTenants" | "startUps" | "events", number>> = options.quick
  ? QUICK
  : FULL;
const only = options.only?.split(",");

/** A tmpfs if there is one, so that the disk's speed does not count. */
const MEMORY = "/dev/shm";

const folder = await mkdtemp(join(existsSync(MEMORY) ? MEMORY : tmpdir(), "sluice-bench-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
process.once("SIGINT", () => process.exit(130));
process.once("SIGTERM", () => process.exit(143));

console.log(await bench());
// Child programs with an open channel would keep this process alive.
process.exit();

async function bench(): Promise<string> {
  const [one, many] = [join(folder, "one"), join(folder, "many")];
  for (const kind of ["ratelimit", "do"]) await mkdir(join(one, "v3", kind), { recursive: true });
  // A profile has the names of the sources.
  const readable = options.profile ? ["--minify=false"] : [];
  const built = options.profile ? join(folder, "readable") : join(ROOT, "dist");
  await Promise.all([buildWorker(undefined, built, ...readable), migrate(one)]);
  const bundle = join(built, "index.js");
  await layOut(folder, {
    [GATEWAY_MODULE]: bundle,
    [BASELINE_MODULE]: join(import.meta.dirname, BASELINE_MODULE),
    [FLOOR_MODULE]: join(import.meta.dirname, FLOOR_MODULE),
    [ADMISSION_FLOOR_MODULE]: join(import.meta.dirname, ADMISSION_FLOOR_MODULE),
    [RATE_LIMIT_MODULE]: join(import.meta.dirname, RATE_LIMIT_MODULE),
  });

  const stubPort = await nextMessage<number>(startProgram(join(import.meta.dirname, "stub.ts")));
  const surroundings = { folder, stubPort };
  const seeding = await startServerOn(one, "gateway-admitting", surroundings);
  const credentials = await seed(seeding.port);
  await seeding.stop();
  const variants = ["open-worker", "counting-worker"].map((name) =>
    buildWorker(join(import.meta.dirname, `${name}.ts`), folder, ...readable),
  );
  const { before } = options;
  if (before !== undefined)
    variants.push(buildWorker(resolve(before, "test/bench/open-worker.ts"), join(folder, BEFORE_FOLDER), ...readable));
  const active = await addActiveTenants(one, join(folder, "active"), schedule.activeTenants);
  const all = makeRows(credentials, active).filter(
    ({ against }) => before !== undefined || against.server !== "gateway-before",
  );
  const rows = all.filter(({ id, bar }) => (only ? only.includes(id) : bar || !options.quick));
  if (rows.length === 0) throw new Error(`--only supports: ${all.map(({ id }) => id).join(",")}`);
  const states = new Set(rows.flatMap(({ subject, against }) => [stateOf(subject.server), stateOf(against.server)]));
  if (states.has("many")) await addTenants(one, many);
  if (states.has("uploads-100k")) await addUploads(one, join(folder, "uploads-100k"), 100_000);
  if (states.has("uploads-1m")) await addUploads(one, join(folder, "uploads-1m"), 1_000_000);
  await Promise.all(variants);

  const loader = () => startProgram(join(import.meta.dirname, "load.ts"));
  if (options.profile) {
    const profiles: string[] = [];
    for (const row of rows) profiles.push(await profileRow(row, surroundings, loader()));
    return profiles.join("\n\n");
  }
  const rounds = await measureRows(rows, schedule, surroundings, [loader(), loader()]);
  return [
    `${schedule.sets} process sets × ${schedule.rounds} rounds. Both sides of a row run on the same processor at the same time, after the same history.`,
    ...(PINNED ? [] : ["Processes are not pinned to processors (no taskset): expect wider spreads."]),
    "",
    reportRows(rounds),
    "",
    reportLatencies(rounds),
    ...(only ? [] : ["", ...(await measureTheRest(credentials, surroundings, bundle))]),
  ].join("\n");
}

async function measureTheRest(credentials: Credentials, surroundings: Surroundings, bundle: string): Promise<string[]> {
  const costs = await countCosts(credentials, surroundings);
  const startUps = await measureStartUps(schedule.startUps, surroundings);
  const eventRates = await measureEvents(schedule.events);
  return [
    reportRowsWritten(costs.creations),
    reportToken(costs.token),
    reportEvents(eventRates),
    reportStartUp(startUps),
    reportBundle(await gzipKiB(bundle)),
  ];
}
