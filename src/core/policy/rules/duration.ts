/** Seconds. A year is 365 days and a month 30: a policy sets a length of time, not a date in a calendar. */
const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** An ISO 8601 duration of whole numbers; at least one, and at least one after a T. */
const DURATION =
  /^P(?=.)(?:(\d{1,4})Y)?(?:(\d{1,4})M)?(?:(\d{1,4})W)?(?:(\d{1,5})D)?(?:T(?=.)(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,8})S)?)?$/;
const PARTS = [365 * DAY, 30 * DAY, 7 * DAY, DAY, HOUR, MINUTE, 1] as const;

/**
 * Parses an ISO 8601 duration of whole numbers: `PT6H` → 21600.
 *
 * @returns seconds; `undefined` if `text` is not such a duration
 */
export function parseDuration(text: string): number | undefined {
  const match = DURATION.exec(text);
  if (!match) return undefined;
  return PARTS.reduce((seconds, part, index) => seconds + part * Number(match[index + 1] ?? 0), 0);
}
