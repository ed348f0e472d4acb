/** Puts an entry into a bounded Map; the least recently put one gives way. A Map keeps its keys in the order of insertion. */
export function setBounded<T>(entries: Map<string, T>, name: string, entry: T, most: number): void {
  entries.delete(name);
  const [oldest] = entries.keys();
  if (oldest !== undefined && entries.size >= most) entries.delete(oldest);
  entries.set(name, entry);
}
