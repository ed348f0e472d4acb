/** Seconds. A year is 365 days and a month 30: a policy says how long, not until which day of a calendar. */
const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** An ISO 8601 duration of whole parts; at least one part, and one after a T. */
const DURATION =
  /^P(?=.)(?:(\d{1,4})Y)?(?:(\d{1,4})M)?(?:(\d{1,4})W)?(?:(\d{1,5})D)?(?:T(?=.)(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,8})S)?)?$/;
const PARTS = [365 * DAY, 30 * DAY, 7 * DAY, DAY, HOUR, MINUTE, 1] as const;

/** `PT6H` → 21600, in seconds; undefined for what is not an ISO 8601 duration of whole parts. */
export function parseDuration(text: string): number | undefined {
  const match = DURATION.exec(text);
  if (!match) return undefined;
  return PARTS.reduce((seconds, part, index) => seconds + part * Number(match[index + 1] ?? 0), 0);
}

/** RFC 3339, to the letter: a date, a time with seconds, and an offset. */
const TIMESTAMP =
  /^(\d{4})-(\d{2})-(\d{2})[Tt]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

/**
 * Seconds since the epoch, rounded down; undefined for what is not an RFC 3339 date-time or not a day of the calendar
 * (`Date` would take 31 February for 2 or 3 March).
 */
export function parseTimestamp(text: string): number | undefined {
  const match = TIMESTAMP.exec(text);
  if (!match) return undefined;
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])];
  const calendarDay = new Date(Date.UTC(year, month - 1, day));
  if (calendarDay.getUTCMonth() !== month - 1 || calendarDay.getUTCDate() !== day) return undefined;
  const milliseconds = Date.parse(text.toUpperCase());
  return Number.isNaN(milliseconds) ? undefined : Math.floor(milliseconds / 1000);
}

/** `2026-11-22T18:30:00Z`, from seconds since the epoch. */
export function formatTimestamp(seconds: number): string {
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`;
}
