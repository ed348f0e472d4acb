import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { MAX_ENDPOINTS_PER_TENANT } from "../../../src/core/webhooks/rules/endpoint.ts";
import { asOperator, codeOf } from "../support/worker.ts";

const MAIN = { url: "https://hooks.acme.com/sluice" };
const PATH = "/tenants/acme/endpoints/main";

describe("webhook endpoints of the admin API", () => {
  it("creates an endpoint and returns its secret once, replaces it and deletes it", async () => {
    await asOperator("PUT", "/tenants/acme", {});
    const created = await asOperator("PUT", PATH, { ...MAIN, description: "Ours", events: ["upload.ready"] });
    expect(created.status).toBe(201);
    expect(created.headers.get("cache-control")).toBe("no-store");
    const { secret, ...document } = await created.json<Record<string, unknown>>();
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(document).toEqual({
      id: "main",
      ...MAIN,
      description: "Ours",
      events: ["upload.ready"],
      disabled: false,
      createdAt: expect.stringMatching(/^\d{4}-.*Z$/),
      updatedAt: expect.stringMatching(/^\d{4}-.*Z$/),
    });
    expect(await (await asOperator("GET", PATH)).json()).toEqual(document);

    const replaced = await asOperator("PUT", PATH, MAIN);
    expect(replaced.status).toBe(200);
    const after = await replaced.json<Record<string, unknown>>();
    for (const gone of ["secret", "description", "events"]) expect(after).not.toHaveProperty(gone);
    const listed = await (await asOperator("GET", "/tenants/acme/endpoints")).text();
    expect(JSON.parse(listed)).toMatchObject({ endpoints: [{ id: "main" }] });
    expect(listed).not.toContain("whsec_");

    expect((await asOperator("DELETE", PATH)).status).toBe(204);
    expect(await codeOf(asOperator("DELETE", PATH))).toBe("not_found");
    expect(await codeOf(asOperator("GET", PATH))).toBe("not_found");
    expect(await (await asOperator("GET", "/tenants/acme/endpoints")).json()).toEqual({ endpoints: [] });
  });

  it.each([
    {},
    { url: "http://hooks.acme.com/" },
    { url: "https://hooks.acme.com:8443/" },
    { url: "https://10.0.0.1/" },
    { url: "https://0xa.1/" },
    { url: "https://db.internal/" },
    { ...MAIN, events: [] },
    { ...MAIN, events: ["upload.everything"] },
    { ...MAIN, events: ["upload.ready", "upload.ready"] },
    { ...MAIN, description: "" },
    { ...MAIN, disabled: "yes" },
    { ...MAIN, secret: "whsec_AAAA" },
    [],
  ])("rejects the document %j", async (body) => {
    await asOperator("PUT", "/tenants/acme", {});
    expect(await codeOf(asOperator("PUT", PATH, body))).toBe("body_invalid");
    expect(await codeOf(asOperator("GET", PATH))).toBe("not_found");
  });

  it("requires an existing tenant, and deletes the endpoints of a deleted tenant", async () => {
    expect(await codeOf(asOperator("PUT", PATH, MAIN))).toBe("not_found");
    expect(await codeOf(asOperator("GET", "/tenants/acme/endpoints"))).toBe("not_found");
    await asOperator("PUT", "/tenants/acme", {});
    await asOperator("PUT", "/tenants/other", {});
    await asOperator("PUT", PATH, MAIN);
    for (const [method, path] of [
      ["GET", "/tenants/other/endpoints/main"],
      ["DELETE", "/tenants/other/endpoints/main"],
      ["POST", "/tenants/other/endpoints/main/rotate"],
    ] as const)
      expect(await codeOf(asOperator(method, path)), method).toBe("not_found");
    await asOperator("DELETE", "/tenants/acme");
    expect(await env.DB.prepare("SELECT count(*) AS n FROM endpoints").first("n")).toBe(0);
  });

  it("returns 409 above the maximum number of endpoints", async () => {
    await asOperator("PUT", "/tenants/acme", {});
    for (let index = 0; index < MAX_ENDPOINTS_PER_TENANT; index++)
      expect((await asOperator("PUT", `/tenants/acme/endpoints/e${index}`, MAIN)).status).toBe(201);
    expect(await codeOf(asOperator("PUT", PATH, MAIN))).toBe("conflict");
    expect((await asOperator("PUT", "/tenants/acme/endpoints/e0", MAIN)).status).toBe(200);
  });

  it.each([
    ["PATCH", PATH, "DELETE, GET, HEAD, PUT"],
    ["POST", "/tenants/acme/endpoints", "GET, HEAD"],
    ["GET", `${PATH}/rotate`, "POST"],
    ["POST", "/tenants/acme/events", "GET, HEAD"],
    ["DELETE", "/tenants/acme/events/e1", "GET, HEAD"],
    ["GET", "/tenants/acme/events/e1/redeliver", "POST"],
    ["DELETE", "/audit", "GET, HEAD"],
  ])("returns 405 for %s %s", async (method, path, allow) => {
    const answer = await asOperator(method, path);
    expect(answer.status).toBe(405);
    expect(answer.headers.get("allow")).toBe(allow);
  });

  it("shows when and why an endpoint was disabled", async () => {
    await asOperator("PUT", "/tenants/acme", {});
    await asOperator("PUT", PATH, { ...MAIN, disabled: true });
    const first = await (await asOperator("GET", PATH)).json<Record<string, string>>();
    expect(first).toMatchObject({ disabled: true, disabledReason: "the operator disabled it" });
    const second = await (await asOperator("PUT", PATH, { ...MAIN, disabled: true })).json<Record<string, string>>();
    expect(second["disabledAt"]).toBe(first["disabledAt"]);
    const enabled = await (await asOperator("PUT", PATH, { ...MAIN, disabled: false })).json();
    expect(enabled).toMatchObject({ disabled: false });
    expect(enabled).not.toHaveProperty("disabledAt");
    expect(enabled).not.toHaveProperty("disabledReason");
  });
});
