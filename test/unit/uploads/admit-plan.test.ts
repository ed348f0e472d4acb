import { describe, expect, it } from "vitest";
import type { CallDecision } from "../../../src/core/budget/rules/call-window.ts";
import type { Ledgers } from "../../../src/core/ports/ledger.ts";
import type { ReservationOutcome } from "../../../src/core/quota/rules/reservation.ts";
import type { PlanVersion } from "../../../src/core/shared/tenant.ts";
import { problem } from "../../../src/core/shared/problem.ts";
import { type AdmitPorts, type DecidedCreation, admit } from "../../../src/core/uploads/admit-upload.ts";

const STALE: CallDecision = { granted: false, retryAfterSeconds: 1, isStale: true };
const BUSY: CallDecision = { granted: false, retryAfterSeconds: 7 };
const REPLAYED: ReservationOutcome = {
  kind: "replayed",
  id: "u",
  uid: "v",
  location: "https://up.example/",
  expires: 9,
};
const REFUSED: ReservationOutcome = { kind: "refused", problem: problem("limit_exceeded", "Full.") };

/** Admits a creation where ledger and budget give these answers. */
async function admitWith(reservation: ReservationOutcome, call: CallDecision, plan?: PlanVersion) {
  const calls: string[] = [];
  const plans: (PlanVersion | undefined)[] = [];
  const ledgers: Partial<Ledgers> = {
    reserve: () => Promise.resolve(reservation),
    release: async (_tenant, id, cause) => void calls.push(`release ${id} ${cause}`),
  };
  const ports: Partial<AdmitPorts> = {
    ledgers: ledgers as Ledgers,
    budget: {
      acquire: async (_upstream, _tenant, _class, plan) => (plans.push(plan), call),
      refund: async () => void calls.push("refund"),
      block: async () => {},
    },
    refusals: { has: () => false, note: () => void calls.push("note") },
    newUploadId: () => "new",
    wait: async () => {},
  };
  const creation = {
    content: { kind: "tus" },
    tenant: { id: "acme", limits: {}, version: 1, ...(plan && { plan }) },
    caller: { version: 1, credential: "key" },
    decision: { metadata: new Map() },
    upstream: { id: "default" },
  };
  const admission = await admit(ports as AdmitPorts, creation as unknown as DecidedCreation);
  return { kind: admission.kind, calls, plans };
}

describe("admit, of a tenant on a plan", () => {
  const plan = { id: "free", version: 5 };

  it("passes the plan and its version to the budget", async () => {
    expect((await admitWith({ kind: "reserved" }, { granted: true }, plan)).plans).toEqual([plan]);
    expect((await admitWith({ kind: "reserved" }, { granted: true })).plans).toEqual([undefined]);
  });

  it.each<[what: string, reservation: ReservationOutcome, call: CallDecision, kind: string, calls: string[]]>([
    ["releases what is reserved, and is stale", { kind: "reserved" }, STALE, "stale", ["release new unsent"]],
    ["is stale where the older version refused", REFUSED, STALE, "stale", []],
    ["is stale where the tenant is", { kind: "stale" }, STALE, "stale", ["note"]],
    ["replays without a check", REPLAYED, STALE, "replayed", ["note"]],
    ["gives back the call of a replay", REPLAYED, { granted: true }, "replayed", ["note", "refund"]],
    ["is refused where the budget is used up", { kind: "reserved" }, BUSY, "refused", ["release new unsent"]],
  ])("%s", async (_, reservation, call, kind, calls) => {
    expect(await admitWith(reservation, call, plan)).toMatchObject({ kind, calls });
  });
});
