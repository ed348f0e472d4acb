import { startOfMonth } from "../../shared/time.ts";
import type { Usage } from "./usage-totals.ts";

/** Months that a ledger keeps besides the current one: the same month of last year, for comparison. */
export const KEEP_MONTHS = 13;

export const NO_USAGE: Usage = { uploads: 0, bytes: 0, seconds: 0 };

/** Whether the totals of a month are kept now. @param start of the month, in seconds since the epoch */
export function isMonthKept(start: number, now: number): boolean {
  return start >= startOfMonth(now, -KEEP_MONTHS) && start <= startOfMonth(now);
}
