import { type Totals, applyToTotals, emptyTotals } from "../../src/core/quota/rules/usage-totals.ts";
import type { TestGateway } from "./gateway.ts";

import { bearer } from "./http.ts";

interface Window {
  readonly since: string;
  readonly uploads: number;
  readonly bytes: number;
  readonly seconds: number;
}
interface Usage extends Pick<Totals, "pending" | "videos" | "storedSeconds"> {
  readonly day: Window;
  readonly month: Window;
}

type Gateway = Pick<TestGateway, "url" | "ledgers">;

/** An upload may end between the two reads, of its own accord. A wrong counter stays wrong. */
const COMPARISONS = 5;

/**
 * Compares each tenant's counters with the rows of its ledger, which it reads from disk.
 *
 * @param keys an API key of each tenant
 * @returns the differences that stay
 */
export async function compareCounters(gateway: Gateway, keys: Readonly<Record<string, string>>): Promise<string[]> {
  let differences: string[] = [];
  for (let comparison = 0; comparison < COMPARISONS; comparison++) {
    differences = await compareOnce(gateway, keys);
    if (differences.length === 0) break;
  }
  return differences;
}

async function compareOnce(gateway: Gateway, keys: Readonly<Record<string, string>>): Promise<string[]> {
  const tenants = Object.entries(keys);
  const usages = await Promise.all(
    tenants.map(([tenant, key]) => read<{ usage: Usage }>(gateway, tenant, key, "/usage")),
  );
  const firsts = await Promise.all(
    tenants.map(([tenant, key]) => read<{ uploads: { id: string }[] }>(gateway, tenant, key, "/uploads?limit=1")),
  );
  const ledgers = await gateway.ledgers();
  return tenants.flatMap(([tenant], index) => {
    const [usage, first] = [usages[index]?.usage, firsts[index]?.uploads[0]];
    if (!usage) return [`${tenant}: no usage`];
    const { day, month, pending, videos, storedSeconds } = usage;
    // A ledger does not store whose it is.
    const rows = first ? ledgers.find((ledger) => ledger.some(({ id }) => id === first.id)) : [];
    const empty = emptyTotals(Date.parse(day.since) / 1_000);
    const counted = (rows ?? []).reduce((totals, row) => applyToTotals(totals, undefined, row), empty);
    const shown = { pending, videos, storedSeconds, day: windowOf(day), month: windowOf(month) };
    const [expected, found] = [JSON.stringify(counted), JSON.stringify(shown)];
    return expected === found ? [] : [`${tenant}: usage ${found}, rows ${expected}`];
  });
}

/** In the form of {@link Totals}. */
const windowOf = ({ since, uploads, bytes, seconds }: Window) => ({
  start: Date.parse(since) / 1_000,
  uploads,
  bytes,
  seconds,
});

async function read<T>({ url }: Gateway, tenant: string, key: string, path: string): Promise<T> {
  const answer = await fetch(`${url}/v1/${tenant}${path}`, { headers: bearer(key) });
  return (await answer.json()) as T;
}
