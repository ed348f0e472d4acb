import { createHash } from "node:crypto";
import { readFile, readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** Paths of files and folders that a task reads and writes. */
export interface TaskFiles {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** The file that keeps the hash of both after a run. */
  readonly stamp: string;
}

/** Runs `task`, unless its inputs and outputs are as they were after its last run. */
export async function runIfChanged({ inputs, outputs, stamp }: TaskFiles, task: () => Promise<void>): Promise<void> {
  const last = await readFile(stamp, "utf8").catch(() => undefined);
  // Taken before the run: an input that changes during it counts as changed.
  const inputHash = await hashOf(inputs);
  if (last === inputHash + (await hashOf(outputs))) return;
  await task();
  await writeFile(stamp, inputHash + (await hashOf(outputs)));
}

async function hashOf(paths: readonly string[]): Promise<string> {
  const files = (await Promise.all(paths.map(filesIn))).flat().toSorted();
  const hash = createHash("sha256");
  for (const file of files) hash.update(`${file}\0`).update(await readFile(file));
  return hash.digest("hex");
}

/** The file itself, or all files in the folder; nothing if there is neither. */
async function filesIn(path: string): Promise<string[]> {
  const isFolder = await stat(path).then(
    (stats) => stats.isDirectory(),
    () => undefined,
  );
  if (isFolder === undefined) return [];
  if (!isFolder) return [path];
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}
