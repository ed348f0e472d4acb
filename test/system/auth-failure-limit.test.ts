import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type TestGateway, startTestGateway } from "../support/gateway.ts";
import { bearer, create, problemOf } from "../support/http.ts";

let harness: TestGateway;
let key: string;

beforeAll(async () => {
  harness = await startTestGateway();
  key = await harness.tenant("acme");
});
afterAll(() => harness.stop());

describe("auth failure limit", () => {
  it("returns 429 to an address with many failed attempts and still accepts its valid credentials", async () => {
    const attempt = (address: string, credential: string) =>
      create(harness.url, "acme", { ...bearer(credential), "CF-Connecting-IP": address });
    const codes = new Set<string>();
    let last: Response | undefined;
    // Twice the limit, since a window of the local limiter may end meanwhile.
    for (let index = 0; index < 62; index++) {
      last = await attempt("2001:db8::1", "junk");
      codes.add((await problemOf(last.clone())).code);
    }
    expect([...codes]).toEqual(["credential_invalid", "too_many_failures"]);
    expect(last?.status).toBe(429);
    const retryAfter = Number(last?.headers.get("retry-after"));
    expect(retryAfter).toBeGreaterThan(0);
    expect(retryAfter).toBeLessThanOrEqual(60);
    expect(last?.headers.get("www-authenticate")).toBeNull();

    // Addresses of one /64 network share the limit.
    expect((await attempt("2001:db8::ffff:1", "junk")).status).toBe(429);
    expect((await attempt("2001:0DB8:0000::0001", "junk")).status).toBe(429);
    expect((await attempt("2001:db8:0:1::1", "junk")).status).toBe(401);
    expect((await attempt("2001:db8::1", key)).status).toBe(201);
  });
});
