import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, it } from "vitest";
import { ROOT } from "../../src/cli/paths.ts";

/** Start-up time grows with it. Workers takes 10 MiB; this is what the gateway is worth. */
const MAX_BUNDLE_BYTES = 80 * 1024;

it("the Worker is at most 80 KiB, gzipped", async () => {
  const bundle = await readFile(join(ROOT, "dist", "index.js"));
  expect(gzipSync(bundle).byteLength).toBeLessThanOrEqual(MAX_BUNDLE_BYTES);
});
