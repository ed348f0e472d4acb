import { availableParallelism } from "node:os";
import { join } from "node:path";
import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

const migrations = await readD1Migrations("src/adapters/d1/migrations");

/** Settings of the Worker under test. The secrets are used nowhere else. */
const settings = {
  OPERATOR_TOKEN: "operator-token-of-the-tests",
  GRANT_KEYS: `new:${Buffer.alloc(32, 1).toString("base64")},old:${Buffer.alloc(32, 2).toString("base64")}`,
  MASTER_KEYS: `new:${Buffer.alloc(32, 3).toString("base64")},old:${Buffer.alloc(32, 4).toString("base64")}`,
  ALLOW_LOOPBACK: "true",
};

/** For tests in Node. Vitest would leave one processor to itself, which is half of a small machine. */
const maxWorkers = Math.max(2, availableParallelism() - 1);
/** Starting a worker for each file would take longer than most files run. */
const isolate = false;
/** For tests of processes, which wait for real time to pass. */
const patience = { testTimeout: 60_000, hookTimeout: 60_000, expect: { poll: { timeout: 20_000 } } };
const cleanWorker = "test/support/clean-worker.ts";

// Vitest has Node cache compiled scripts, by default in the temporary folder.
process.env["NODE_COMPILE_CACHE"] ??= join(import.meta.dirname, "node_modules", ".cache", "node-compile");

export default defineConfig({
  test: {
    // The Worker's log is printed for failed tests only.
    silent: "passed-only",
    projects: [
      // The core, in Node.
      {
        test: {
          name: "unit",
          include: ["test/unit/**/*.test.ts"],
          // The longest property takes about 2 seconds on a machine that does nothing else.
          testTimeout: 30_000,
          setupFiles: [cleanWorker],
          isolate,
          maxWorkers,
        },
      },
      // The local Stream, without a gateway.
      {
        test: {
          name: "local-stream",
          include: ["test/local-stream/**/*.test.ts"],
          setupFiles: [cleanWorker],
          isolate,
          maxWorkers,
          ...patience,
        },
      },
      // The built Worker from outside, against the local Stream.
      {
        test: {
          name: "system",
          include: ["test/system/**/*.test.ts"],
          globalSetup: ["test/support/global-setup-gateway.ts"],
          setupFiles: [cleanWorker],
          isolate,
          maxWorkers,
          ...patience,
        },
      },
      // Adapters, objects and the whole Worker, inside workerd.
      {
        plugins: [
          cloudflareTest({
            wrangler: { configPath: "./wrangler.toml" },
            miniflare: { bindings: { ...settings, TEST_MIGRATIONS: migrations } },
          }),
        ],
        test: {
          name: "workerd",
          include: ["test/workerd/**/*.test.ts"],
          globalSetup: ["test/support/global-setup-stream.ts"],
          setupFiles: ["test/workerd/setup.ts", cleanWorker],
          isolate,
          // One file at a time, since all use the same local Stream.
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
          expect: { poll: { timeout: 4_000 } },
        },
      },
    ],
  },
});
