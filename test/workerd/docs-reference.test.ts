import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import apiText from "../../docs/api.md?raw";
import operationsText from "../../docs/operations.md?raw";
import { createApp } from "../../src/app.ts";
import { parseConfig } from "../../src/config.ts";
import { PROBLEMS } from "../../src/core/shared/problem.ts";
import { WARNING_CODES } from "../../src/core/shared/warning.ts";
import { createDependencies } from "../../src/dependencies.ts";
import { code, tableRows } from "../support/markdown.ts";
import { ROUTES } from "../support/route-table.ts";

const api = { path: "docs/api.md", text: apiText };
const operations = { path: "docs/operations.md", text: operationsText };

const routes = createApp(createDependencies(env, parseConfig(env)))
  .routes.filter(({ method, path }) => method !== "ALL" && !(method === "OPTIONS" && path.endsWith("/*")))
  .map(({ method, path }) => `${method} ${path}`);
const isOperatorRoute = (route: string) => route.includes(" /admin/");
const isTenantRoute = (route: string) => / \/(v1|client)\//.test(route);

describe("docs/api.md", () => {
  it("lists every error code with its status, and no other", () => {
    const rows = tableRows(api, "status", "code", "meaning", "what to do");
    const documented = rows.map(([status, name]) => `${code(name)} ${status}`);
    const defined = Object.entries(PROBLEMS).map(([name, { status }]) => `${name} ${status}`);
    expect(documented.toSorted()).toEqual(defined.toSorted());
  });

  it("lists every tenant route with its scope, and no other", () => {
    const rows = tableRows(api, "route", "scope", "what it does");
    const documented = rows.map(([route, scope]) => `${code(route)} ${code(scope)}`.trim());
    // The tests of a clip on Cloudflare's path say in the query which video their body names.
    const covered = ROUTES.map(({ method, path, scope }) => `${method} ${path.replace("?of=:id", "")} ${scope}`);
    const discovery = routes.filter((route) => isTenantRoute(route) && route.startsWith("OPTIONS "));
    expect(documented.toSorted()).toEqual([...covered, ...discovery].toSorted());
  });

  it("lists every operator route, and no other", () => {
    const documented = tableRows(api, "route", "what it does").map(([route]) => code(route));
    expect(documented.filter(isOperatorRoute).toSorted()).toEqual(
      [...new Set(routes.filter(isOperatorRoute))].toSorted(),
    );
  });

  it("lists every other route, and no other", () => {
    const isOther = (route: string) => !isOperatorRoute(route) && !isTenantRoute(route);
    const documented = tableRows(api, "route", "what it does").map(([route]) => code(route));
    expect(documented.filter(isOther).toSorted()).toEqual(routes.filter(isOther).toSorted());
  });
});

const REQUIRED = {
  OPERATOR_TOKEN: "0123456789abcdef",
  GRANT_KEYS: `g1:${new Uint8Array(32).toBase64()}`,
  MASTER_KEYS: `m1:${new Uint8Array(32).toBase64()}`,
};

describe("docs/api.md, the warnings of PUT", () => {
  it("lists every code, and no other", () => {
    const documented = tableRows(api, "warning", "meaning").map(([name]) => code(name));
    expect(documented.toSorted()).toEqual([...WARNING_CODES].toSorted());
  });
});

describe("docs/operations.md", () => {
  const rows = tableRows(operations, "setting", "meaning", "default");

  it("lists every setting that the configuration reads, and no other", () => {
    const read = new Set<string>();
    const environment = new Proxy<Record<string, string>>(REQUIRED, {
      has: (target, name) => (read.add(String(name)), Reflect.has(target, name)),
      get: (target, name) => (read.add(String(name)), Reflect.get(target, name) as unknown),
    });
    parseConfig(environment);
    expect(rows.map(([setting]) => code(setting)).toSorted()).toEqual([...read].toSorted());
  });

  it("gives the defaults that the configuration has", () => {
    const config = parseConfig({ ...REQUIRED, STREAM_ACCOUNT_ID: "account", STREAM_API_TOKEN: "token" });
    const defaultOf = (name: string) => code(rows.find(([setting]) => code(setting) === name)?.[2]);
    expect(defaultOf("REGISTRY_CACHE_SECONDS")).toBe(String(config.registryCacheSeconds));
    expect(defaultOf("STREAM_DEADLINE_MS")).toBe(String(config.streamDeadlineMs));
    expect(defaultOf("STREAM_CALLS_PER_WINDOW")).toBe(String(config.defaultUpstream?.callsPerWindow));
    expect(defaultOf("STREAM_MAX_UPLOAD_BYTES")).toBe(String(config.defaultUpstream?.maxUploadBytes));
    expect(defaultOf("STREAM_MAX_VIDEO_SECONDS")).toBe(String(config.defaultUpstream?.maxVideoSeconds));
    expect(defaultOf("STREAM_API_BASE")).toBe(config.defaultUpstream?.apiBase);
    expect(defaultOf("STREAM_UPLOAD_HOSTS")).toBe(config.defaultUpstream?.uploadHosts.join(","));
  });

  it("marks the required settings", () => {
    const required = rows.filter(([, , fallback]) => fallback === "required").map(([setting]) => code(setting));
    expect(required.toSorted()).toEqual(Object.keys(REQUIRED).toSorted());
    for (const name of required) expect(() => parseConfig({ ...REQUIRED, [name]: undefined }), name).toThrow(name);
  });
});
