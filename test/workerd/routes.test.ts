import { expect, it } from "vitest";
import { createApp } from "../../src/app.ts";
import type { Dependencies } from "../../src/dependencies.ts";
import { ROUTES } from "../support/routes.ts";

it("every route that a tenant's credential opens is among those that the security battery goes over", () => {
  const { routes } = createApp({ config: {} } as Dependencies);
  const handled = routes
    .filter(({ method, path }) => !["ALL", "OPTIONS"].includes(method) && /^\/(?:v1|client)\//.test(path))
    .map(({ method, path }) => `${method} ${path.replace("/*", "/:id")}`);
  expect(new Set(handled)).toEqual(new Set(ROUTES.map(({ method, path }) => `${method} ${path.split("?")[0]}`)));
});
