/**
 * `npm run fuzz [-- --requests 200000 --seed 1]`: seeded requests to every route of the built Worker, from its valid form to
 * nonsense. No answer may be a 5xx but one that names trouble elsewhere, and every refusal has its form. Prints each request at
 * fault; exits with 1 if there is one.
 */
import { rm } from "node:fs/promises";
import { parseArgs } from "node:util";
import { createGatewayTemplate } from "../support/gateway-template.ts";
import { describe, fuzz } from "./fuzz.ts";
import { closeConnections } from "./send.ts";
import { createWorld } from "./world.ts";

const { values } = parseArgs({
  options: { requests: { type: "string", default: "200000" }, seed: { type: "string" } },
});
const requests = Number(values.requests);
const seed = Number(values.seed ?? Date.now() % 1_000_000);

const template = await createGatewayTemplate();
const world = await createWorld(template);
console.log(`Seed ${seed}, ${requests} requests.`);
const started = performance.now();
const report = await fuzz(world, {
  seed,
  requests,
  onProgress: (done) => {
    if (done % 20_000 === 0) console.log(`${done} requests in ${Math.round((performance.now() - started) / 1_000)} s`);
  },
});

for (const [outcome, times] of [...report.outcomes].toSorted(([, a], [, b]) => b - a))
  console.log(`${String(times).padStart(7)}  ${outcome}`);
if (report.unopened.length > 0) console.log(`Never answered with success: ${report.unopened.join(", ")}`);
for (const finding of report.findings) console.log(describe(finding));
for (const problem of report.aftermath) console.log(problem);
const problems = report.findings.length + report.aftermath.length;
console.log(`${problems} findings with seed ${seed}.`);

closeConnections();
await world.gateway.stop();
await rm(template.statePath, { recursive: true });
process.exit(problems === 0 ? 0 : 1);
