/**
 * `npm run fairness [-- --minutes 7]`: one tenant requests 100 times its share of the API budget and twenty send an occasional
 * request, on the built Worker and the local Stream, which blocks every call above its limit. The quiet tenants must succeed,
 * Stream must see no more calls than its limit, and the noisy tenant must get the rest. Exits with 1 otherwise.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { rm } from "node:fs/promises";
import {
  DEFAULT_CALLS_PER_WINDOW,
  STREAM_CALLS_PER_WINDOW,
  WINDOW_SECONDS,
} from "../../src/core/budget/rules/call-window.ts";
import { createGatewayTemplate } from "../support/gateway-template.ts";
import { startTestGateway } from "../support/gateway.ts";
import { bearer, create } from "../support/http.ts";

const QUIET_TENANTS = 20;
const QUIET_INTERVAL_MS = 15_000;
const NOISY_SHARES = 100;
const WINDOW_MS = WINDOW_SECONDS * 1_000;
const MIN_QUIET_SUCCESS = 0.999;
const MIN_USED = 0.95;

/** The budget divided by the active tenants and one newcomer. */
const share = DEFAULT_CALLS_PER_WINDOW / (QUIET_TENANTS + 1 + 1);
const noisyPerSecond = (NOISY_SHARES * share) / WINDOW_SECONDS;

const { values: options } = parseArgs({ options: { minutes: { type: "string", default: "7" } } });
const durationMs = Number(options.minutes) * 60_000;
if (!(durationMs > WINDOW_MS)) throw new Error("--minutes must be more than 5, the budget's window.");

const template = await createGatewayTemplate();
// Nothing is uploaded, so all created uploads stay reserved.
const harness = await startTestGateway({}, { storageSeconds: 1_000_000_000 }, template);
console.log(
  `A share is ${share.toFixed(1)} calls in ${WINDOW_SECONDS} s. One tenant sends ${noisyPerSecond.toFixed(1)} requests a second, ` +
    `${QUIET_TENANTS} send one in ${QUIET_INTERVAL_MS / 1_000} s each, for ${options.minutes} minutes.`,
);

interface Client {
  readonly tenant: string;
  readonly intervalMs: number;
  readonly firstMs: number;
  readonly tally: { sent: number; granted: number };
}
const [noisy, quiet] = [
  { sent: 0, granted: 0 },
  { sent: 0, granted: 0 },
];
const clients: Client[] = [
  { tenant: "noisy", intervalMs: 1_000 / noisyPerSecond, firstMs: 0, tally: noisy },
  ...Array.from({ length: QUIET_TENANTS }, (_, index) => ({
    tenant: `quiet-${index}`,
    intervalMs: QUIET_INTERVAL_MS,
    firstMs: (index / QUIET_TENANTS) * QUIET_INTERVAL_MS,
    tally: quiet,
  })),
];
/** Refusals by tenant, status and code, with their number. */
const refusals = new Map<string, number>();

const keys = await Promise.all(clients.map(({ tenant }) => harness.tenant(tenant)));
const startedAt = Date.now();
await Promise.all(clients.map((client, index) => sendCreations(client, keys[index] ?? "")));

/** Sends creations at a fixed rate, whatever the responses. */
async function sendCreations(client: Client, key: string): Promise<void> {
  const answers: Promise<void>[] = [];
  for (let dueMs = client.firstMs; dueMs < durationMs; dueMs += client.intervalMs) {
    await sleep(Math.max(0, startedAt + dueMs - Date.now()));
    answers.push(createOnce(client, key));
  }
  await Promise.all(answers);
}

async function createOnce({ tenant, tally }: Client, key: string): Promise<void> {
  tally.sent++;
  const answer = await create(harness.url, tenant, bearer(key));
  const text = await answer.text();
  if (answer.status === 201) return void tally.granted++;
  const { code } = JSON.parse(text) as { code: string };
  const refusal = `${tenant} ${answer.status} ${code}`;
  refusals.set(refusal, (refusals.get(refusal) ?? 0) + 1);
}

/** Times of the calls at Stream, in order. */
const calls = harness.stream.requests().map(({ at }) => at);
const callsSince = (from: number) => calls.filter((at) => at >= from && at < from + WINDOW_MS).length;
const densest = Math.max(...calls.map(callsSince));
const sparsest = Math.min(...calls.filter((at) => at + WINDOW_MS <= startedAt + durationMs).map(callsSince));
const used = calls.length / (DEFAULT_CALLS_PER_WINDOW * (durationMs / WINDOW_MS));
const quietSuccess = quiet.granted / quiet.sent;
await harness.stop();
await rm(template.statePath, { recursive: true });

const percent = (part: number) => `${(part * 100).toFixed(1)} %`;
const mark = (met: boolean) => (met ? "✓" : "✗");
const bars = [quietSuccess >= MIN_QUIET_SUCCESS, densest <= STREAM_CALLS_PER_WINDOW, used >= MIN_USED] as const;
console.log(`${mark(bars[0])} quiet tenants: ${quiet.granted} of ${quiet.sent}, ${percent(quietSuccess)}`);
console.log(`${mark(bars[1])} densest ${WINDOW_SECONDS} s at Stream: ${densest} calls`);
console.log(
  `${mark(bars[2])} budget used: ${percent(used)}, in the sparsest ${WINDOW_SECONDS} s ${percent(sparsest / DEFAULT_CALLS_PER_WINDOW)}; ` +
    `noisy tenant: ${noisy.granted} of ${noisy.sent}`,
);
for (const [refusal, times] of refusals) console.log(`  ${refusal}: ${times}`);
process.exit(bars.every((met) => met) ? 0 : 1);
