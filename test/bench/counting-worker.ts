import { createApp } from "../../src/app.ts";
import { parseConfig } from "../../src/config.ts";
import { createDependencies } from "../../src/dependencies.ts";
import { TenantLedger as Ledger } from "../../src/durable-objects/tenant-ledger/tenant-ledger.ts";
import { UpstreamBudget as Budget } from "../../src/durable-objects/upstream-budget.ts";
import { COSTS_PATH, type Costs } from "./wire.ts";

/** The gateway, counting the rows that its objects write, which are most of its running cost, and its calls to Stream. */
let rowsWritten = 0;
let calls = 0;
const fetchAnything = globalThis.fetch;
globalThis.fetch = (...request) => {
  calls++;
  return fetchAnything(...request);
};

let app: ReturnType<typeof createApp> | undefined;

export default {
  fetch(request, env, context) {
    if (new URL(request.url).pathname === COSTS_PATH) return Response.json({ rowsWritten, calls } satisfies Costs);
    app ??= createApp(createDependencies(env, parseConfig(env)));
    return app.fetch(request, env, context);
  },
} satisfies ExportedHandler<Env>;

export class TenantLedger extends Ledger {
  constructor(state: DurableObjectState, env: Env) {
    countWrites(state.storage);
    super(state, env);
  }
}

export class UpstreamBudget extends Budget {
  constructor(state: DurableObjectState, env: Env) {
    countWrites(state.storage);
    super(state, env);
  }
}

function countWrites(storage: DurableObjectStorage): void {
  const { sql } = storage;
  const [exec, setAlarm] = [sql.exec.bind(sql), storage.setAlarm.bind(storage)];
  sql.exec = (query, ...values) => counted(exec(query, ...values));
  // An alarm is billed as one row.
  storage.setAlarm = (...values) => {
    rowsWritten++;
    return setAlarm(...values);
  };
}

function counted<Row extends Record<string, SqlStorageValue>>(cursor: SqlStorageCursor<Row>): SqlStorageCursor<Row> {
  rowsWritten += cursor.rowsWritten;
  return cursor;
}
