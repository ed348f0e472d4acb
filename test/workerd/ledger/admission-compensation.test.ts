import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { createApp } from "../../../src/app.ts";
import { parseConfig } from "../../../src/config.ts";
import { createDependencies } from "../../../src/dependencies.ts";
import { asOperator, codeOf, seedTenant } from "../support/worker.ts";

/** No server listens here, so an admitted creation gets `stream_unreachable`. */
const NOWHERE = "http://127.0.0.1:9";

/** The app with an observed budget, and tenants with these documents on an upstream of their own. */
async function gateway<Tenant extends string>(documents: Record<Tenant, object>) {
  await asOperator("PUT", "/upstreams/eu?check=false", { accountId: "abc", apiToken: "token", apiBase: NOWHERE });
  const keys = new Map<string, string>();
  for (const [tenant, document] of Object.entries<object>(documents))
    keys.set(tenant, await seedTenant(tenant, { upstream: "eu", ...document }));
  const dependencies = createDependencies(env, parseConfig(env));
  const budget = { full: false, acquired: [] as string[], refunded: [] as string[] };
  const app = createApp({
    ...dependencies,
    budget: {
      ...dependencies.budget,
      async acquire(upstream, tenant, callClass) {
        budget.acquired.push(tenant);
        if (budget.full) return { granted: false, retryAfterSeconds: 7 };
        return dependencies.budget.acquire(upstream, tenant, callClass);
      },
      async refund(upstream, tenant) {
        budget.refunded.push(tenant);
        return dependencies.budget.refund(upstream, tenant);
      },
    },
  });
  const create = async (tenant: Tenant) => {
    const context = createExecutionContext();
    const headers = {
      authorization: `Bearer ${keys.get(tenant)}`,
      "tus-resumable": "1.0.0",
      "upload-length": "5",
    };
    const url = `https://sluice.example/v1/${tenant}/uploads`;
    const response = await app.fetch(new Request(url, { method: "POST", headers }), env, context);
    await waitOnExecutionContext(context);
    return codeOf(response);
  };
  const acquired = (tenant: Tenant) => budget.acquired.filter((one) => one === tenant).length;
  return { budget, acquired, create };
}

describe("admission of POST /uploads", () => {
  it("asks the ledger before the shared budget after a rejection", async () => {
    const { budget, acquired, create } = await gateway({ noisy: { limits: { rate: { tenant: 1 } } }, quiet: {} });

    expect(await create("noisy")).toBe("stream_unreachable");
    for (let attempt = 0; attempt < 5; attempt++) expect(await create("noisy")).toBe("limit_exceeded");
    expect(acquired("noisy")).toBe(2);
    expect(budget.refunded).toEqual(["noisy"]);

    // For an admitted tenant, ledger and budget run in parallel.
    for (let attempt = 0; attempt < 3; attempt++) expect(await create("quiet")).toBe("stream_unreachable");
    expect(acquired("quiet")).toBe(3);

    // Admitted again after its limit was removed.
    await asOperator("PUT", "/tenants/noisy", { upstream: "eu", limits: {} });
    expect(await create("noisy")).toBe("stream_unreachable");
    expect(acquired("noisy")).toBe(3);
  });

  it("releases the reservation, also from the rate limit, when the budget refuses a call", async () => {
    const { budget, create } = await gateway({ acme: { limits: { pending: 1, rate: { tenant: 1 } } } });
    budget.full = true;
    for (let attempt = 0; attempt < 2; attempt++) expect(await create("acme")).toBe("upstream_busy");
    expect(await env.LEDGER.getByName("acme").usage()).toMatchObject({ pending: 0, day: { uploads: 0 } });
    budget.full = false;
    expect(await create("acme")).toBe("stream_unreachable");
  });
});
