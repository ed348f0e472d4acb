import fc from "fast-check";
import type { Limits } from "../../src/core/quota/rules/limits.ts";

const count = fc.nat(4);
const window = fc.record({ uploads: count, bytes: count, seconds: count }, { requiredKeys: [] });

/** Any limits of a tenant, with small numbers. */
export const limitsDocument: fc.Arbitrary<Limits> = fc.record(
  {
    pending: count,
    pendingPerCreator: count,
    storedSeconds: count,
    rate: fc.record({ tenant: count, creator: count }, { requiredKeys: [] }),
    quota: fc.record({ day: window, month: window }, { requiredKeys: [] }),
  },
  { requiredKeys: [] },
);
