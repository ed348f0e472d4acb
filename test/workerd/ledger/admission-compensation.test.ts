import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { createApp } from "../../../src/app.ts";
import { parseConfig } from "../../../src/config.ts";
import { createDependencies } from "../../../src/dependencies.ts";
import { asOperator, codeOf, seedTenant } from "../support/worker.ts";

/** Nothing is at this address: what gets as far as Stream was admitted. */
const NOWHERE = "http://127.0.0.1:9";

/** Tenants by these documents, on an upstream of their own, and the Worker with a budget that is watched. */
async function gateway<Tenant extends string>(documents: Record<Tenant, object>) {
  await asOperator("PUT", "/upstreams/eu", { accountId: "abc", apiToken: "token", apiBase: NOWHERE });
  const keys = new Map<string, string>();
  for (const [tenant, document] of Object.entries<object>(documents))
    keys.set(tenant, await seedTenant(tenant, { upstream: "eu", ...document }));
  const dependencies = createDependencies(env, parseConfig(env));
  const budget = { full: false, asked: [] as string[], refunded: [] as string[] };
  const app = createApp({
    ...dependencies,
    budget: {
      ...dependencies.budget,
      async acquire(upstream, tenant, callClass) {
        budget.asked.push(tenant);
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
    const answer = await app.fetch(new Request(url, { method: "POST", headers }), env, context);
    await waitOnExecutionContext(context);
    return codeOf(answer);
  };
  const asked = (tenant: Tenant) => budget.asked.filter((one) => one === tenant).length;
  return { budget, asked, create };
}

it("a tenant whose creations are refused does not keep the budget busy that it shares", async () => {
  const { budget, asked, create } = await gateway({ noisy: { limits: { rate: { tenant: 1 } } }, quiet: {} });

  expect(await create("noisy")).toBe("stream_unreachable");
  for (let attempt = 0; attempt < 5; attempt++) expect(await create("noisy")).toBe("limit_exceeded");
  expect(asked("noisy")).toBe(2);
  expect(budget.refunded).toEqual(["noisy"]);

  // Whoever is admitted has both asked.
  for (let attempt = 0; attempt < 3; attempt++) expect(await create("quiet")).toBe("stream_unreachable");
  expect(asked("quiet")).toBe(3);

  // Refused a moment ago, and admitted now that there is room again.
  await asOperator("PUT", "/tenants/noisy", { upstream: "eu" });
  expect(await create("noisy")).toBe("stream_unreachable");
  expect(asked("noisy")).toBe(3);
});

it("a creation for which the budget has no call holds nothing, and is none of its minute", async () => {
  const { budget, create } = await gateway({ acme: { limits: { pending: 1, rate: { tenant: 1 } } } });
  budget.full = true;
  for (let attempt = 0; attempt < 2; attempt++) expect(await create("acme")).toBe("upstream_busy");
  expect(await env.LEDGER.getByName("acme").usage()).toMatchObject({ pending: 0, day: { uploads: 0 } });
  budget.full = false;
  expect(await create("acme")).toBe("stream_unreachable");
});
