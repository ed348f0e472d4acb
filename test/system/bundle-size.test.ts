import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { ROOT } from "../../src/cli/paths.ts";

/** A limit of this project, since start-up time grows with the bundle. Workers accepts 10 MiB. */
const MAX_BUNDLE_BYTES = 116 * 1024;

describe("the built Worker", () => {
  it("has at most 116 KiB when gzipped", async () => {
    const bundle = await readFile(join(ROOT, "dist", "index.js"));
    expect(gzipSync(bundle).byteLength).toBeLessThanOrEqual(MAX_BUNDLE_BYTES);
  });
});
