/** Puts an entry into a Map of at most `maxSize` entries, and evicts the one that was put least recently. */
export function setBounded<T>(entries: Map<string, T>, name: string, entry: T, maxSize: number): void {
  // A Map iterates in insertion order.
  entries.delete(name);
  const [oldest] = entries.keys();
  if (oldest !== undefined && entries.size >= maxSize) entries.delete(oldest);
  entries.set(name, entry);
}
