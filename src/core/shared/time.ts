/**
 * Conversions between times and seconds since the epoch. The only file of the core in which `Date` is allowed, always with an
 * argument: the clock is a port (`now`).
 */

/** RFC 3339 section 5.6: a date, a time with seconds, and an offset. */
const TIMESTAMP =
  /^(\d{4})-(\d{2})-(\d{2})[Tt]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

/**
 * Parses an RFC 3339 date-time on a valid calendar day. (`Date` alone parses 31 February as 2 or 3 March.)
 *
 * @returns seconds since the epoch, rounded down; `undefined` if the text is something else
 */
export function parseTimestamp(text: string): number | undefined {
  const match = TIMESTAMP.exec(text);
  if (!match) return undefined;
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])];
  const calendarDay = new Date(Date.UTC(year, month - 1, day));
  if (calendarDay.getUTCMonth() !== month - 1 || calendarDay.getUTCDate() !== day) return undefined;
  return parseTimeLeniently(text.toUpperCase());
}

/**
 * Parses any date that JavaScript parses, for responses of Stream.
 *
 * @returns seconds since the epoch, rounded down; `undefined` if the text is no date
 */
export function parseTimeLeniently(text: string): number | undefined {
  const milliseconds = Date.parse(text);
  return Number.isNaN(milliseconds) ? undefined : Math.floor(milliseconds / 1000);
}

/** Whether a time of Stream is before another, to the millisecond; false if one of them is no date. */
export function isEarlier(text: string, than: string): boolean {
  return Date.parse(text) < Date.parse(than);
}

/** `2026-11-22T18:30:00Z`, from seconds since the epoch. */
export function formatTimestamp(seconds: number): string {
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`;
}

/** `2026-11-22T18:30:00.000Z`, from seconds since the epoch. */
export function rfc3339(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}

/** Parses `2026-11`. @returns the start of the month in UTC, in seconds since the epoch; `undefined` if it is something else */
export function parseMonth(text: string): number | undefined {
  return /^\d{4}-(?:0[1-9]|1[0-2])$/.test(text) ? Date.parse(`${text}-01T00:00:00Z`) / 1000 : undefined;
}

/** `2026-11`, from seconds since the epoch. */
export function formatMonth(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(0, 7);
}

/**
 * Start of a month in UTC, in seconds since the epoch.
 *
 * @param seconds since the epoch: any time in the month
 * @param monthsLater 1 for the start of the next month
 */
export function startOfMonth(seconds: number, monthsLater = 0): number {
  const date = new Date(seconds * 1000);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + monthsLater, 1) / 1000;
}
