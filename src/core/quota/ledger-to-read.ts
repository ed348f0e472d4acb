import type { Ledgers } from "../ports/ledger.ts";
import { ok } from "../shared/result.ts";
import type { Tenant } from "../shared/tenant.ts";
import { limitUses, rateUses } from "./rules/check-limits.ts";
import { NO_USAGE } from "./rules/usage-month.ts";
import { emptyTotals } from "./rules/usage-totals.ts";

type LedgerReads = Pick<
  Ledgers,
  | "usage"
  | "usageOfMonth"
  | "usageOfCreator"
  | "limitUses"
  | "deletionsPending"
  | "find"
  | "findCurrent"
  | "list"
  | "storage"
>;

/**
 * The ledger that a caller's reads ask. A ledger stores itself when it is first asked, so a tenant that is not made yet has an empty
 * one that is stored nowhere: whoever chooses the values of claims could otherwise store any number of them.
 *
 * @param now seconds since the epoch
 */
export function ledgerToRead(ledgers: Ledgers, { isProspect }: Tenant, now = 0): LedgerReads {
  if (!isProspect) return ledgers;
  const totals = emptyTotals(now);
  return {
    usage: async () => ok(totals),
    usageOfMonth: async () => ok(NO_USAGE),
    usageOfCreator: async () => ok({ pending: 0, videos: 0, storedSeconds: 0 }),
    limitUses: async (_, limits, upload) => {
      const rates = rateUses(limits.rate ?? {}, upload.creator, [], now);
      return ok(limitUses(limits, { totals, creatorPending: 0, rates, nextRelease: () => undefined }, upload));
    },
    deletionsPending: async () => ok(0),
    find: async () => ok(undefined),
    findCurrent: async () => ok(undefined),
    list: async () => ok({ uploads: [] }),
    storage: async () => ok({ seconds: 0, videos: 0 }),
  };
}
