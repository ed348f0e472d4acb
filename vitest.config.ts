import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

const migrations = await readD1Migrations("src/adapters/d1/migrations");

/** Settings of the Worker in tests; the secrets are good for nothing else. */
const settings = {
  OPERATOR_TOKEN: "operator-token-of-the-tests",
  GRANT_KEYS: `new:${Buffer.alloc(32, 1).toString("base64")},old:${Buffer.alloc(32, 2).toString("base64")}`,
  MASTER_KEYS: `new:${Buffer.alloc(32, 3).toString("base64")},old:${Buffer.alloc(32, 4).toString("base64")}`,
  ALLOW_LOOPBACK: "true",
};

export default defineConfig({
  test: {
    // What the Worker logs is for those who look for a failure.
    silent: "passed-only",
    projects: [
      // The pure core, in Node.
      { test: { name: "unit", include: ["test/unit/**/*.test.ts"], isolate: false } },
      // The local Stream, without a gateway.
      { test: { name: "local-stream", include: ["test/local-stream/**/*.test.ts"], isolate: false } },
      // Adapters and the whole Worker, inside workerd.
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
          setupFiles: ["test/workerd/setup.ts"],
          expect: { poll: { timeout: 4_000 } },
          globalSetup: ["test/support/global-setup-stream.ts"],
        },
      },
      // The built Worker from outside, against the local Stream.
      {
        test: {
          name: "system",
          include: ["test/system/**/*.test.ts"],
          isolate: false,
          globalSetup: ["test/support/global-setup-gateway.ts"],
          testTimeout: 60_000,
          expect: { poll: { timeout: 20_000 } },
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
