import { createApp } from "../../src/app.ts";
import { parseConfig } from "../../src/config.ts";
import { createDependencies } from "../../src/dependencies.ts";
import { ok } from "../../src/core/shared/result.ts";
import type { Ledgers } from "../../src/core/ports/ledger.ts";
import type { Budget } from "../../src/core/ports/budget.ts";

export { TenantLedger } from "../../src/durable-objects/tenant-ledger/tenant-ledger.ts";
export { UpstreamBudget } from "../../src/durable-objects/upstream-budget.ts";

/**
 * The gateway without admission: it admits every creation and counts nothing. What remains is the cost to parse, authenticate,
 * decide and forward.
 */
let app: ReturnType<typeof createApp> | undefined;

const done = () => Promise.resolve();

const budget: Budget = {
  acquire: () => Promise.resolve({ granted: true }),
  refund: done,
  block: done,
};

export default {
  fetch(request, env, context) {
    if (!app) {
      const dependencies = createDependencies(env, parseConfig(env));
      const ledgers: Ledgers = {
        ...dependencies.ledgers,
        reserve: () => Promise.resolve({ kind: "reserved" }),
        attach: () => Promise.resolve(ok(undefined)),
        release: done,
        markUnknown: done,
        cancelOrphaned: done,
      };
      app = createApp({ ...dependencies, ledgers, budget });
    }
    return app.fetch(request, env, context);
  },
} satisfies ExportedHandler<Env>;
