import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { createRegistryIndex } from "../../../src/adapters/d1/registry-index.ts";
import { asOperator } from "../support/worker.ts";

/** The index, and how many rows D1 has read for it. */
function countingIndex() {
  let rows = 0;
  const db = {
    prepare: (sql: string) => ({
      bind: (...values: unknown[]) => ({
        all: async () => {
          const result = await env.DB.prepare(sql)
            .bind(...values)
            .all();
          rows += result.meta.rows_read;
          return result;
        },
      }),
    }),
  };
  return { index: createRegistryIndex(db as unknown as D1Database, {}), rowsRead: () => rows };
}

it.each(["", "eu"])(
  "reads a page of an upstream's tenants, and no others, of tenants with the upstream %j",
  async (own) => {
    const { status } = await asOperator("PUT", "/upstreams/eu?check=false", {
      accountId: "account",
      apiToken: "token",
    });
    expect(status).toBe(201);
    await asOperator("PUT", "/plans/free", { upstream: "eu" });
    await env.DB.prepare(
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
     INSERT INTO tenants (id, policy, limits, upstream, suspended, abandoned, created_at, updated_at, version, plan, document)
     SELECT printf('t%04d', i), '{}', '{"pending": 0}', ?, 0, 'delete', 1, 1, 1, 'free', '{"policy":{},"limits":{}}' FROM n`,
    )
      .bind(own)
      .run();
    const { index, rowsRead } = countingIndex();
    const page = await index.listTenantIds("eu", { after: "t1000", limit: 10 });
    expect(page).toMatchObject({ ok: true, value: ["t1001", ...Array(8).fill(expect.any(String)), "t1010"] });
    expect(rowsRead()).toBeLessThan(100);
  },
);
