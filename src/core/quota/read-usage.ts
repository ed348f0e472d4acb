import type { Access } from "../auth/authenticate.ts";
import { restrictToVisible } from "../auth/rules/upload-visibility.ts";
import type { Ledgers } from "../ports/ledger.ts";
import { problem } from "../shared/problem.ts";
import { type Result, err, ok } from "../shared/result.ts";
import { formatMonth } from "../shared/time.ts";
import { KEEP_MONTHS, isMonthKept } from "./rules/usage-month.ts";
import type { CreatorUsage, Usage } from "./rules/usage-totals.ts";
import { ledgerToRead } from "./ledger-to-read.ts";

export interface ReadUsagePorts {
  readonly ledgers: Ledgers;
  /** Seconds since the epoch. */
  readonly now: () => number;
}

/**
 * Returns what the tenant used of the quota of a month: the current one, or one of the `KEEP_MONTHS` before.
 *
 * @param start of the month, in seconds since the epoch
 * @returns `not_found` if its totals are not kept
 */
export async function readMonth(
  { ledgers, now }: ReadUsagePorts,
  { tenant }: Pick<Access, "tenant">,
  start: number,
): Promise<Result<Usage>> {
  const usage = isMonthKept(start, now())
    ? await ledgerToRead(ledgers, tenant).usageOfMonth(tenant.id, start)
    : ok(undefined);
  if (!usage.ok) return usage;
  return usage.value
    ? ok(usage.value)
    : err(
        problem(
          "not_found",
          `There are no totals of ${formatMonth(start)}: those of the current month and the ${KEEP_MONTHS} before are kept.`,
          { key: "month" },
        ),
      );
}

/** Returns what a creator uses now; nothing if the caller may not see its uploads. */
export async function readCreatorUsage(
  { ledgers }: Pick<ReadUsagePorts, "ledgers">,
  { caller, tenant }: Access,
  creator: string,
): Promise<Result<CreatorUsage>> {
  const visible = restrictToVisible(caller, { creator });
  if (!visible) return ok({ pending: 0, videos: 0, storedSeconds: 0 });
  return ledgerToRead(ledgers, tenant).usageOfCreator(tenant.id, visible);
}
