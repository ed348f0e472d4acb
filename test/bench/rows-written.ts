import { METADATA_HEADER } from "./rows.ts";
import { type Surroundings, startServer } from "./servers.ts";
import { TENANT } from "./state.ts";
import { ROWS_WRITTEN_PATH } from "./wire.ts";

/** Creations of each kind: enough to average rows that are written once for many creations. */
const CREATIONS = 320;

const KINDS: readonly (readonly [kind: string, headers: (index: number) => Record<string, string>])[] = [
  ["plain", () => ({})],
  ["with a creator", () => ({ "Upload-Creator": "user-1" })],
  ["with an idempotency key", (index) => ({ "Idempotency-Key": String(index) })],
  ["with both", (index) => ({ "Upload-Creator": "user-1", "Idempotency-Key": `both-${index}` })],
];

/** Rows that a creation writes to ledger and budget, including indexes and alarms. It writes none to D1. */
export async function countRowsWritten(key: string, surroundings: Surroundings): Promise<ReadonlyMap<string, number>> {
  const server = await startServer("gateway-counting", surroundings);
  const base = `http://127.0.0.1:${server.port}`;
  const written = async () => (await (await fetch(base + ROWS_WRITTEN_PATH)).json()) as number;
  const create = async (headers: Record<string, string>) => {
    const creation = { "Tus-Resumable": "1.0.0", "Upload-Length": "52428800", "Upload-Metadata": METADATA_HEADER };
    const answer = await fetch(`${base}/v1/${TENANT}/uploads`, {
      method: "POST",
      headers: { Authorization: `Bearer ${key}`, ...creation, ...headers },
    });
    if (answer.status !== 201) throw new Error(`Answered ${answer.status}: ${await answer.text()}`);
  };
  try {
    // The first creation initialises the objects.
    await create({});
    const figures = new Map<string, number>();
    for (const [kind, headers] of KINDS) {
      const before = await written();
      for (let index = 0; index < CREATIONS; index++) await create(headers(index));
      figures.set(kind, ((await written()) - before) / CREATIONS);
    }
    return figures;
  } finally {
    await server.stop();
  }
}
