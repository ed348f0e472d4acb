import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../../src/cli/paths.ts";
import type { Page } from "./markdown.ts";

const SOURCES = ["*.md", "docs/**/*.md", "src/**/*.md", ".github/*.md"];

export const PAGES: readonly Page[] = SOURCES.flatMap((pattern) => globSync(pattern, { cwd: ROOT }))
  .toSorted()
  .map(readPage);

export function readPage(path: string): Page {
  return { path, text: readFileSync(join(ROOT, path), "utf8") };
}
