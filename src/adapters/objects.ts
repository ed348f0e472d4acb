import type { Grant } from "../domain/budget.ts";
import { problem } from "../domain/problem.ts";
import type { ReservationOutcome } from "../domain/reservation.ts";
import type { Budget, Ledgers } from "../usecases/ports.ts";

/** An object that is moved or overloaded is there again in a moment. */
const RETRY_SECONDS = 1;

/** The ledgers, one Durable Object per tenant. */
export function createLedgers(namespace: Env["LEDGER"]): Ledgers {
  const of = (tenant: string) => namespace.getByName(tenant);
  return {
    learn: (tenant, version) => of(tenant).learn(version),
    usage: (tenant) => of(tenant).usage(),

    reserve: (tenant, request) =>
      orElse<ReservationOutcome>(of(tenant).reserve(request), (reason) => ({
        kind: "refused",
        problem: problem("ledger_unavailable", "The tenant's ledger is not available.", {
          facts: { reason },
          retryAfterSeconds: RETRY_SECONDS,
        }),
      })),

    attach: (tenant, id, uid, location) => orElse(of(tenant).attach(id, uid, location), () => false),

    // Where these do not get through, the reservation stays until its time is over, and is settled then.
    release: (tenant, id) => orElse(of(tenant).release(id), () => undefined),
    leaveUnknown: (tenant, id) => orElse(of(tenant).leaveUnknown(id), () => undefined),
  };
}

/** The budgets, one Durable Object per upstream. */
export function createBudget(namespace: Env["BUDGET"]): Budget {
  const of = (upstream: { readonly id: string }) => namespace.getByName(upstream.id);
  return {
    // Without a budget nothing is sent: a call too many would block everyone.
    acquire: (upstream, tenant, callClass) =>
      orElse<Grant>(of(upstream).acquire(upstream.callsPerWindow, tenant, callClass), () => ({
        granted: false,
        retryAfterSeconds: RETRY_SECONDS,
      })),
    refund: (upstream, tenant) => orElse(of(upstream).refund(tenant), () => undefined),
    close: (upstream, seconds) => orElse(of(upstream).close(seconds), () => undefined),
  };
}

/** What an object answers; or what takes its place when it cannot be reached. */
async function orElse<T>(answer: Promise<T>, instead: (reason: string) => T): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    return instead(error instanceof Error ? error.message : String(error));
  }
}
