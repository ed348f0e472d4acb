import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ROOT } from "../../src/cli/paths.ts";

/** What the documentation assumes of Stream, the local Stream does. */
describe("docs/stream-assumptions.md and the local Stream", () => {
  it.each(["upload URL ends when it expires, also for an upload that has begun", "no headers but those of tus"])(
    "assume the same: %s",
    async (assumption) => {
      for (const page of ["docs/stream-assumptions.md", "src/local-stream/README.md"])
        expect((await readFile(join(ROOT, page), "utf8")).replaceAll(/\s+/g, " ")).toContain(assumption);
    },
  );
});
