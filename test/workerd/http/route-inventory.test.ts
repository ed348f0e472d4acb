import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { createApp } from "../../../src/app.ts";
import type { Dependencies } from "../../../src/dependencies.ts";
import { OPERATIONS } from "../../../src/core/stream/rules/operations.ts";
import { TARGETS } from "../../fuzz/targets.ts";
import { ROUTES } from "../../support/route-table.ts";
import { asOperator, codeOf, request, seedTenant } from "../support/worker.ts";

/** The paths that one handler serves by a table: see `cloudflareStreamRoutes`. */
const BY_TABLE = Object.values(OPERATIONS).map(({ method, path }) => ({
  method,
  path: `/client/v4/accounts/:tenant/stream${path.replace(":uid", ":id")}`,
}));
const { routes: registered } = createApp({ config: {}, adminRegistry: {} } as Dependencies);
const routes = [...registered, ...BY_TABLE];

describe("ROUTES", () => {
  it("contains every route that a tenant's credential opens", () => {
    const handled = routes
      .filter(({ method, path }) => !["ALL", "OPTIONS"].includes(method) && /^\/(?:v1|client)\//.test(path))
      .map(({ method, path }) => `${method} ${path}`);
    expect(new Set(handled)).toEqual(new Set(ROUTES.map(({ method, path }) => `${method} ${path.split("?")[0]}`)));
  });
});

describe("TARGETS", () => {
  it("contains every route, so that the fuzz calls it", () => {
    const anonymous = (path: string) => path.replaceAll(/:\w+/g, ":");
    const handled = routes
      .filter(({ method, path }) => method !== "ALL" && method !== "OPTIONS" && path !== "/*")
      .map(({ method, path }) => `${method} ${anonymous(path)}`);
    const called = TARGETS.map(({ method, path }) => `${method} ${anonymous(path)}`);
    expect(new Set(called)).toEqual(new Set(handled));
  });
});

/** All admin routes, unsupported methods, and an unknown path. */
const OPERATOR_ROUTES = [...routes, { method: "GET", path: "/admin/v1/nothing-here" }]
  .filter(({ path }) => path.startsWith("/admin/v1/") && !path.includes("*"))
  .map(({ method, path }) => ({ method: method === "ALL" ? "PATCH" : method, path }));

let caller = 0;

describe.each(OPERATOR_ROUTES)("$method $path", ({ method, path }) => {
  const refusal = async (headers: Record<string, string>) => {
    // Each call has its own address: failed attempts are limited per address.
    const address = `10.0.${caller >> 8}.${caller++ & 255}`;
    const answer = await request(method, path.replaceAll(/:\w+/g, "acme"), {
      headers: { "CF-Connecting-IP": address, ...headers },
    });
    return [answer.status, await codeOf(answer), answer.headers.get("www-authenticate")];
  };

  it("requires the operator token", async () => {
    expect(await refusal({})).toEqual([401, "credential_missing", 'Bearer realm="sluice"']);
  });

  it("rejects any other credential", async () => {
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
