import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { createApp } from "../../src/app.ts";
import { parseConfig } from "../../src/config.ts";
import { createDependencies } from "../../src/dependencies.ts";
import { asOperator, codeOf, seedTenant } from "./support.ts";

/** Nothing is at this address: what gets as far as Stream was admitted. */
const NOWHERE = "http://127.0.0.1:9";

it("a tenant whose creations are refused does not keep the budget busy that it shares", async () => {
  await asOperator("PUT", "/upstreams/eu", { accountId: "abc", apiToken: "token", apiBase: NOWHERE });
  const keys = {
    noisy: await seedTenant("noisy", { upstream: "eu", limits: { rate: { tenant: 1 } } }),
    quiet: await seedTenant("quiet", { upstream: "eu" }),
  };
  const dependencies = createDependencies(env, parseConfig(env));
  const asked = { noisy: 0, quiet: 0 };
  const app = createApp({
    ...dependencies,
    budget: {
      ...dependencies.budget,
      acquire: (upstream, tenant, callClass) => {
        asked[tenant as keyof typeof asked]++;
        return dependencies.budget.acquire(upstream, tenant, callClass);
      },
    },
  });
  const create = async (tenant: keyof typeof keys) => {
    const context = createExecutionContext();
    const headers = { authorization: `Bearer ${keys[tenant]}`, "tus-resumable": "1.0.0", "upload-length": "5" };
    const url = `https://sluice.example/v1/${tenant}/uploads`;
    const answer = await app.fetch(new Request(url, { method: "POST", headers }), env, context);
    await waitOnExecutionContext(context);
    return codeOf(answer);
  };

  expect(await create("noisy")).toBe("stream_unreachable");
  for (let attempt = 0; attempt < 5; attempt++) expect(await create("noisy")).toBe("limit_exceeded");
  expect(asked.noisy).toBe(2);

  // Whoever is admitted has both asked.
  for (let attempt = 0; attempt < 3; attempt++) expect(await create("quiet")).toBe("stream_unreachable");
  expect(asked.quiet).toBe(3);

  // Refused a moment ago, and admitted now that there is room again.
  await asOperator("PUT", "/tenants/noisy", { upstream: "eu" });
  expect(await create("noisy")).toBe("stream_unreachable");
  expect(asked.noisy).toBe(3);
});
