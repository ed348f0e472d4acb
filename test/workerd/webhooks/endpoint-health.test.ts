import { describe, expect, it, vi } from "vitest";
import { MAX_FAILING_MS, RETRY_DELAYS_SECONDS } from "../../../src/core/webhooks/rules/retry-policy.ts";
import { asOperator } from "../support/worker.ts";
import { DELIVERY, consume, context, storedEndpoint, stubEndpoint, useDeliveries } from "./delivery-fixture.ts";

useDeliveries();

describe("health of an endpoint", () => {
  it("clears failingSince after one success, and writes only changes", async () => {
    stubEndpoint(() => new Response(null, { status: 500 }));
    await consume([DELIVERY]);
    const since = (await storedEndpoint()).failingSince;
    context.time += 1_000;
    await consume([DELIVERY]);
    expect((await storedEndpoint()).failingSince).toBe(since);
    stubEndpoint(() => new Response());
    const recovered = vi.spyOn(context.ports.health, "markWorking");
    for (let count = 0; count < 3; count++) await consume([DELIVERY]);
    expect(await storedEndpoint()).not.toHaveProperty("failingSince");
    // Only changes are written.
    expect(recovered).toHaveBeenCalledTimes(1);
  });

  it("disables the endpoint when an event is exhausted after MAX_FAILING_MS, not earlier, with an audit entry", async () => {
    stubEndpoint(() => new Response(null, { status: 500 }));
    const last = RETRY_DELAYS_SECONDS.length + 1;
    await consume([DELIVERY]);
    context.time += MAX_FAILING_MS;
    await consume([DELIVERY], last);
    expect(await storedEndpoint()).not.toHaveProperty("disabledAt");
    context.time += 1;
    // There may have been no events since: the first one after a quiet week gets all its attempts.
    for (let attempt = 1; attempt < last; attempt++) await consume([DELIVERY], attempt);
    expect(await storedEndpoint()).not.toHaveProperty("disabledAt");
    await consume([DELIVERY], last);
    expect(await storedEndpoint()).toMatchObject({
      disabledAt: new Date(context.time).toISOString(),
      disabledReason: "it failed for days",
    });
    expect(await context.store.audit({ before: 1e9, limit: 1 })).toMatchObject([
      { actor: "sluice", action: "endpoint.disable", details: { reason: "it failed for days" } },
    ]);
    context.requests = [];
    expect((await consume([DELIVERY])).acked).toEqual(["m0"]);
    expect(context.requests).toEqual([]);
  });

  it("disables the endpoint when it returns 410, with an audit entry", async () => {
    stubEndpoint(() => new Response(null, { status: 410 }));
    expect((await consume([DELIVERY])).acked).toEqual(["m0"]);
    expect(context.attempts).toMatchObject([["acme", "event-1", { outcome: "failed", status: 410 }]]);
    expect((await storedEndpoint()).disabledReason).toBe("it answered 410 Gone");
    expect(await context.store.audit({ before: 1e9, limit: 1 })).toMatchObject([
      { actor: "sluice", action: "endpoint.disable", target: "main", tenant: "acme" },
    ]);
  });
});

describe("GET /admin/v1/tenants/:tenant/endpoints", () => {
  it("shows an endpoint that deliveries have disabled", async () => {
    stubEndpoint(() => new Response(null, { status: 410 }));
    await consume([DELIVERY]);
    vi.unstubAllGlobals();
    expect(await (await asOperator("GET", "/tenants/acme/endpoints")).json()).toMatchObject({
      endpoints: [{ id: "main", disabled: true, disabledReason: "it answered 410 Gone" }],
    });
  });
});
