/** `2026-11-22T18:30:00.000Z`, from seconds since the epoch. */
export function rfc3339(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}
