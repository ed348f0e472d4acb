import { readFileSync, renameSync, writeFileSync } from "node:fs";

/** Replaces the file in one step: whoever is killed meanwhile leaves the old one or the new one, never half of it. */
export function writeJson(path: string, value: unknown): void {
  writeFileSync(`${path}.new`, JSON.stringify(value));
  renameSync(`${path}.new`, path);
}

/** Undefined where there is no such file. */
export function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
