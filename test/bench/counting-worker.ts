import { createApp } from "../../src/app.ts";
import { parseConfig } from "../../src/config.ts";
import { createDependencies } from "../../src/dependencies.ts";
import { TenantLedger as Ledger } from "../../src/durable-objects/tenant-ledger/tenant-ledger.ts";
import { UpstreamBudget as Budget } from "../../src/durable-objects/upstream-budget.ts";
import { ROWS_WRITTEN_PATH } from "./wire.ts";

/** The gateway, counting the rows that its objects write: most of its running cost. */
let rowsWritten = 0;
let app: ReturnType<typeof createApp> | undefined;

export default {
  fetch(request, env, context) {
    if (new URL(request.url).pathname === ROWS_WRITTEN_PATH) return Response.json(rowsWritten);
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
