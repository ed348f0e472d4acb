import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type TestGateway, startTestGateway } from "../support/gateway.ts";
import { bearer, create, problemOf } from "../support/http.ts";

let harness: TestGateway;
let openKey: string;
let closedKey: string;

beforeAll(async () => {
  harness = await startTestGateway();
  openKey = await harness.tenant("open");
  closedKey = await harness.tenant("closed", { policy: { origins: ["https://app.acme.com"] } });
});
afterAll(() => harness.stop());

const allowed = (answer: Response) => answer.headers.get("access-control-allow-origin");

describe("CORS preflight", () => {
  const preflight = (tenant: string, origin: string, path = "uploads") =>
    fetch(`${harness.url}/v1/${tenant}/${path}`, {
      method: "OPTIONS",
      headers: { Origin: origin, "Access-Control-Request-Method": "POST" },
    });

  it("allows the methods and headers of a tus creation", async () => {
    const answer = await preflight("open", "https://any.example");
    expect(answer.status).toBe(200);
    expect(allowed(answer)).toBe("https://any.example");
    expect(answer.headers.get("vary")).toBe("Origin, Access-Control-Request-Headers");
    expect(answer.headers.get("access-control-max-age")).toBe("86400");
    expect(answer.headers.get("access-control-allow-credentials")).toBeNull();
    const headers = (answer.headers.get("access-control-allow-headers") ?? "").toLowerCase().split(", ");
    for (const header of [
      "authorization",
      "tus-resumable",
      "upload-length",
      "upload-metadata",
      "x-request-id",
      "content-type",
    ])
      expect(headers).toContain(header);
    expect(answer.headers.get("access-control-allow-methods")).toContain("POST");
  });

  it.each([
    ["traceparent,x-csrf-token", true],
    ["authorization", true],
    ["a b", false],
    ["x\u00e9", false],
    ["a,".repeat(600) + "a", false],
  ])("allows other requested headers if the list is well-formed: %s", async (requested, permitted) => {
    const answer = await fetch(`${harness.url}/v1/open/uploads`, {
      method: "OPTIONS",
      headers: { Origin: "https://any.example", "Access-Control-Request-Headers": requested },
    });
    expect(answer.status).toBe(200);
    expect((answer.headers.get("access-control-allow-headers") ?? "").endsWith(`, ${requested}`)).toBe(permitted);
  });

  it("allows a listed origin and no other", async () => {
    expect(allowed(await preflight("closed", "https://app.acme.com"))).toBe("https://app.acme.com");
    for (const origin of ["https://evil.example", "http://app.acme.com", "null"]) {
      const answer = await preflight("closed", origin);
      expect([answer.status, allowed(answer)]).toEqual([200, null]);
    }
  });

  it("returns 2xx on unknown paths, so that pages can read the 404", async () => {
    expect((await preflight("open", "https://any.example", "nothing/here")).status).toBe(204);
    expect((await preflight("open", "https://any.example", "uploads/")).status).toBe(200);
  });

  it("returns 204 on the JSON paths", async () => {
    expect((await preflight("open", "https://any.example", "grants")).status).toBe(204);
    expect(allowed(await preflight("open", "https://any.example", "policy/check"))).toBe("https://any.example");
  });
});

describe("CORS response", () => {
  const page = { Origin: "https://any.example" };

  it("exposes the headers of a successful creation", async () => {
    const answer = await create(harness.url, "open", { ...bearer(openKey), ...page });
    expect([answer.status, allowed(answer)]).toEqual([201, page.Origin]);
    expect(answer.headers.get("vary")).toBe("Origin");
    const exposed = (answer.headers.get("access-control-expose-headers") ?? "").split(", ");
    for (const header of [
      "Location",
      "Tus-Resumable",
      "Upload-Expires",
      "Upload-Offset",
      "Stream-Media-Id",
      "Sluice-Upload-Id",
      "Idempotency-Replayed",
      "RateLimit",
      "X-Request-ID",
      "Retry-After",
    ])
      expect(exposed).toContain(header);
  });

  it.each<[string, () => Promise<Response>, number]>([
    ["bad metadata", () => create(harness.url, "open", { ...page, "Upload-Metadata": "name YQ== YQ==" }), 400],
    ["no credential", () => create(harness.url, "open", page), 401],
    ["an unknown tenant", () => create(harness.url, "nobody", page), 401],
    ["an invalid tenant id", () => create(harness.url, "NOT-A-TENANT", page), 401],
    ["another version of tus", () => create(harness.url, "open", { ...page, "Tus-Resumable": "2" }), 412],
    ["an unknown path", () => fetch(`${harness.url}/v1/open/nothing`, { headers: page }), 404],
    ["an unsupported method", () => fetch(`${harness.url}/v1/open/uploads`, { method: "PATCH", headers: page }), 405],
    ["an unknown override", () => create(harness.url, "open", { ...page, "X-HTTP-Method-Override": "BREW" }), 400],
  ])("is readable when the request has %s", async (_, ask, status) => {
    const answer = await ask();
    expect([answer.status, allowed(answer)]).toEqual([status, page.Origin]);
  });

  it("is readable when Stream fails", async () => {
    harness.stream.addFault({ on: "create", kind: "status", status: 500 });
    const answer = await create(harness.url, "open", { ...bearer(openKey), ...page });
    expect([answer.status, allowed(answer)]).toEqual([502, page.Origin]);
  });

  it("refuses an origin that is not listed, before anything else and unreadable for the page", async () => {
    harness.stream.reset();
    const answer = await create(harness.url, "closed", { ...bearer(closedKey), ...page });
    expect([answer.status, allowed(answer), answer.headers.get("tus-resumable")]).toEqual([403, null, "1.0.0"]);
    expect((await problemOf(answer)).code).toBe("origin_not_allowed");
    expect(harness.stream.requests()).toEqual([]);
    const headers = { ...bearer(closedKey), ...page };
    for (const path of ["uploads", "usage"])
      expect((await fetch(`${harness.url}/v1/closed/${path}`, { headers })).status).toBe(403);
  });

  it("allows requests without an Origin header, as mobile and backend clients send them", async () => {
    expect((await create(harness.url, "closed", bearer(closedKey))).status).toBe(201);
  });
});
