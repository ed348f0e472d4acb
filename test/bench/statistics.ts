/** A figure out of many measurements. */
export interface Figure {
  readonly median: number;
  /** Half of the way from the first to the last decile, as a part of the median: what most rounds kept within. */
  readonly spread: number;
}

export function figureOf(values: readonly number[]): Figure {
  const sorted = values.toSorted((a, b) => a - b);
  const median = quantile(sorted, 0.5);
  return { median, spread: (quantile(sorted, 0.9) - quantile(sorted, 0.1)) / 2 / median };
}

/** By linear interpolation. */
function quantile(sorted: readonly number[], part: number): number {
  const place = (sorted.length - 1) * part;
  const below = sorted[Math.floor(place)] ?? Number.NaN;
  const above = sorted[Math.ceil(place)] ?? Number.NaN;
  return below + (above - below) * (place - Math.floor(place));
}
