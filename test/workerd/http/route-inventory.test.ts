import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { createApp } from "../../../src/app.ts";
import type { Dependencies } from "../../../src/dependencies.ts";
import { ROUTES } from "../../support/route-table.ts";
import { asOperator, codeOf, request, seedTenant } from "../support/worker.ts";

const { routes } = createApp({ config: {}, adminRegistry: {} } as Dependencies);

it("every route that a tenant's credential opens is among those that the security battery goes over", () => {
  const handled = routes
    .filter(({ method, path }) => !["ALL", "OPTIONS"].includes(method) && /^\/(?:v1|client)\//.test(path))
    .map(({ method, path }) => `${method} ${path.replace("/*", "/:id")}`);
  expect(new Set(handled)).toEqual(new Set(ROUTES.map(({ method, path }) => `${method} ${path.split("?")[0]}`)));
});

/** What there is for the operator, methods that a path refuses included, and a path where there is nothing. */
const OPERATOR_ROUTES = [...routes, { method: "GET", path: "/admin/v1/nothing-here" }]
  .filter(({ path }) => path.startsWith("/admin/v1/") && !path.includes("*"))
  .map(({ method, path }) => ({ method: method === "ALL" ? "PATCH" : method, path }));

let caller = 0;

describe.each(OPERATOR_ROUTES)("$method $path", ({ method, path }) => {
  const refusal = async (headers: Record<string, string>) => {
    // An address of its own for each call, or the limit of failures would answer.
    const address = `10.0.${caller >> 8}.${caller++ & 255}`;
    const answer = await request(method, path.replaceAll(/:\w+/g, "acme"), {
      headers: { "CF-Connecting-IP": address, ...headers },
    });
    return [answer.status, await codeOf(answer), answer.headers.get("www-authenticate")];
  };

  it("asks for the operator's token", async () => {
    expect(await refusal({})).toEqual([401, "credential_missing", 'Bearer realm="sluice"']);
  });

  it("takes nothing else for it", async () => {
    const token = env.OPERATOR_TOKEN;
    const key = await seedTenant("acme");
    for (const authorization of [
      "Bearer wrong",
      "Bearer ",
      `Basic ${btoa(`operator:${token}`)}`,
      `bearer${token}`,
      `Bearer ${token}x`,
      `Bearer ${token.slice(0, -1)}`,
      `Bearer ${key}`,
    ])
      expect(await refusal({ authorization }), authorization).toEqual([
        401,
        "credential_invalid",
        'Bearer realm="sluice", error="invalid_token"',
      ]);
    expect((await asOperator("GET", "/tenants/acme")).status).toBe(200);
  });
});
