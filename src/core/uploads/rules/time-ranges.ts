/** Inclusive; seconds since the epoch. */
export interface TimeRange {
  readonly from: number;
  readonly to: number;
}

/** Joins times that are at most twice a margin apart, so that their surroundings overlap, to ranges in order. @param maxLength of a range */
export function mergeTimes(times: readonly number[], margin: number, maxLength: number): TimeRange[] {
  const ranges: { from: number; to: number }[] = [];
  for (const time of times.toSorted((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last && time - last.to <= 2 * margin && time - last.from <= maxLength) last.to = time;
    else ranges.push({ from: time, to: time });
  }
  return ranges;
}
