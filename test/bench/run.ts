import { existsSync, rmSync } from "node:fs";
import { mkdir, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildWorker, migrate } from "../../src/cli/wrangler.ts";
import { ROOT } from "../../src/cli/paths.ts";
import { layOut } from "./config.ts";
import { measureEvents } from "./events.ts";
import { type Schedule, measureRows } from "./measure.ts";
import { PINNED, nextMessage, startProgram } from "./processes.ts";
import { reportBundle, reportEvents, reportRows, reportRowsWritten, reportStartUp } from "./report.ts";
import { makeRows } from "./rows.ts";
import { countRowsWritten } from "./rows-written.ts";
import { BASELINE_MODULE, FLOOR_MODULE, GATEWAY_MODULE, RATE_LIMIT_MODULE, startServerOn } from "./servers.ts";
import { gzipKiB, measureStartUps } from "./startup.ts";
import { addActiveTenants, addTenants, addUploads, seed } from "./state.ts";

/**
 * `npm run bench [-- --quick] [--only key,grant]`: measures the gateway's CPU time and requests per second as a ratio to a Worker
 * that checks nothing. It asserts nothing. `--quick` omits rows without a bar, unless `--only` names them.
 */
const FULL = {
  sets: 3,
  rounds: 6,
  measureMs: 1_000,
  measureKeyMs: 6_000,
  settleMs: 300,
  warmUpMs: 4_000,
  activeTenants: 1_000,
  startUps: 9,
  events: 3_000,
};
/** Takes less than a minute. */
const QUICK = {
  sets: 1,
  rounds: 2,
  measureMs: 500,
  measureKeyMs: 1_000,
  settleMs: 150,
  warmUpMs: 500,
  activeTenants: 100,
  startUps: 3,
  events: 100,
};

const { values: options } = parseArgs({ options: { quick: { type: "boolean" }, only: { type: "string" } } });
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
  await Promise.all([buildWorker(), migrate(one)]);
  const bundle = join(ROOT, "dist", "index.js");
  await layOut(folder, {
    [GATEWAY_MODULE]: bundle,
    [BASELINE_MODULE]: join(import.meta.dirname, BASELINE_MODULE),
    [FLOOR_MODULE]: join(import.meta.dirname, FLOOR_MODULE),
    [RATE_LIMIT_MODULE]: join(import.meta.dirname, RATE_LIMIT_MODULE),
  });

  const stubPort = await nextMessage<number>(startProgram(join(import.meta.dirname, "stub.ts")));
  const surroundings = { folder, stubPort };
  const seeding = await startServerOn(one, "gateway-admitting", surroundings);
  const credentials = await seed(seeding.port);
  await seeding.stop();
  const variants = ["open-worker", "counting-worker"].map((name) =>
    buildWorker(join(import.meta.dirname, `${name}.ts`), folder),
  );
  await addTenants(one, many);
  await addUploads(one, join(folder, "uploads-100k"), 100_000);
  await addUploads(one, join(folder, "uploads-1m"), 1_000_000);
  const active = await addActiveTenants(one, join(folder, "active"), schedule.activeTenants);
  await Promise.all(variants);

  const all = makeRows(credentials, active);
  const rows = all.filter(({ id, bar }) => (only ? only.includes(id) : bar || !options.quick));
  if (rows.length === 0) throw new Error(`--only supports: ${all.map(({ id }) => id).join(",")}`);
  const loader = () => startProgram(join(import.meta.dirname, "load.ts"));
  const rounds = await measureRows(rows, schedule, surroundings, [loader(), loader()]);
  const rowsWritten = await countRowsWritten(credentials.key, surroundings);
  const startUps = await measureStartUps(schedule.startUps, surroundings);
  const eventRates = await measureEvents(schedule.events);
  return [
    `${schedule.sets} process sets × ${schedule.rounds} rounds; ratios to a bare pass-through Worker on the same processor at the same time.`,
    ...(PINNED ? [] : ["Processes are not pinned to processors (no taskset): expect wider spreads."]),
    "",
    reportRows(rounds),
    "",
    reportRowsWritten(rowsWritten),
    reportEvents(eventRates),
    reportStartUp(startUps),
    reportBundle(await gzipKiB(bundle)),
  ].join("\n");
}
