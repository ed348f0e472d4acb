import type { Credentials } from "./credentials.ts";
import { METADATA_HEADER } from "./rows.ts";
import { type Surroundings, startServer } from "./servers.ts";
import { TENANT } from "./state.ts";
import { COSTS_PATH, type Costs } from "./wire.ts";

/** Requests of each kind: enough to average rows that are written once for many creations. */
const REQUESTS = 320;

const CREATIONS: readonly (readonly [kind: string, headers: (index: number) => Record<string, string>])[] = [
  ["plain", () => ({})],
  ["with a creator", () => ({ "Upload-Creator": "user-1" })],
  ["with an idempotency key", (index) => ({ "Idempotency-Key": String(index) })],
  ["with both", (index) => ({ "Upload-Creator": "user-1", "Idempotency-Key": `both-${index}` })],
];

export interface CostsPerRequest {
  /** Rows that a creation of each kind writes to ledger and budget, including indexes and alarms. It writes none to D1. */
  readonly creations: ReadonlyMap<string, number>;
  /** Of a playback token that a key of the upstream signs. */
  readonly token: Costs;
}

export async function countCosts({ key, upload }: Credentials, surroundings: Surroundings): Promise<CostsPerRequest> {
  const server = await startServer("gateway-counting", surroundings);
  const base = `http://127.0.0.1:${server.port}`;
  const costs = async () => (await (await fetch(base + COSTS_PATH)).json()) as Costs;
  const post = async (path: string, expected: number, headers: Record<string, string> = {}) => {
    const init = { method: "POST", headers: { Authorization: `Bearer ${key}`, ...headers } };
    const answer = await fetch(`${base}/v1/${TENANT}/uploads${path}`, init);
    const text = await answer.text();
    if (answer.status !== expected) throw new Error(`Answered ${answer.status}: ${text}`);
  };
  const create = (headers: Record<string, string>) =>
    post("", 201, {
      "Tus-Resumable": "1.0.0",
      "Upload-Length": "52428800",
      "Upload-Metadata": METADATA_HEADER,
      ...headers,
    });
  const costsOf = async (request: (index: number) => Promise<void>): Promise<Costs> => {
    const before = await costs();
    for (let index = 0; index < REQUESTS; index++) await request(index);
    const after = await costs();
    return {
      rowsWritten: (after.rowsWritten - before.rowsWritten) / REQUESTS,
      calls: (after.calls - before.calls) / REQUESTS,
    };
  };
  try {
    // The first creation initialises the objects.
    await create({});
    const creations = new Map<string, number>();
    for (const [kind, headers] of CREATIONS)
      creations.set(kind, (await costsOf((index) => create(headers(index)))).rowsWritten);
    return { creations, token: await costsOf(() => post(`/${upload}/playback`, 200)) };
  } finally {
    await server.stop();
  }
}
