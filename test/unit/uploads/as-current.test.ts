import { describe, expect, it } from "vitest";
import type { CachedRegistry } from "../../../src/core/ports/registry.ts";
import { ok } from "../../../src/core/shared/result.ts";
import { asCurrent } from "../../../src/core/uploads/as-current.ts";

const registry = { uncached: {} } as CachedRegistry;

describe("asCurrent", () => {
  it("reads the registry past its cache if the ledger knows a later version of the tenant", async () => {
    const read: unknown[] = [];
    const outcome = await asCurrent(registry, async (each) => {
      read.push(each);
      return read.length === 1 ? "stale" : ok("done");
    });
    expect([read, outcome]).toEqual([[registry, registry.uncached], ok("done")]);
  });

  it("tries no third time", async () => {
    expect(await asCurrent(registry, async () => "stale")).toMatchObject({ problem: { code: "tenant_changing" } });
  });
});
