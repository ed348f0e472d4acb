import reservations from "./ledger-reservation-calls.json";
import uploads from "./ledger-upload-calls.json";
import events from "./ledger-event-calls.json";
import persons from "./ledger-person-calls.json";
import edits from "./ledger-edit-calls.json";

/**
 * Golden files: what the version before the renames (commit e52552b) sent, answered and stored. A Worker and an object of
 * neighbouring versions call each other during a deployment, so these files do not change, but where the ledger decides otherwise
 * now: a creation that was lost has no event. `ledger-person-calls.json` is of the version that brought persons, `ledger-edit-calls.json` of
 * the one that brought edits.
 */

/** One RPC call. `answer` is absent for undefined; a null argument stands for undefined. */
export interface GoldenCall {
  readonly name: string;
  readonly method: string;
  readonly arguments: readonly unknown[];
  readonly answer?: unknown;
}

/** Calls of one session with the ledger `golden`, in order. All run at `GOLDEN_TIME`. */
export const LEDGER_CALLS: readonly GoldenCall[] = [...reservations, ...uploads, ...events, ...persons, ...edits];

/** Seconds since the epoch. Far away, so that no alarm runs by itself. */
export const GOLDEN_TIME = 2_240_000_000;

export const goldenId = (number: number) => `02098a67-8000-7000-8000-${String(number).padStart(12, "0")}`;
export const goldenUid = (digit: number) => String(digit).repeat(32);

/** Makes a golden call on a stub. @throws if the object has no such method */
export async function replay(stub: object, { method, arguments: values }: GoldenCall): Promise<unknown> {
  const methods = stub as Record<string, (...values: unknown[]) => Promise<unknown>>;
  return methods[method]?.(...values.map((value) => value ?? undefined));
}

/** A namespace whose objects give one golden answer to any call. */
export function objectAnswering(answer: unknown, sent: { method: string; arguments: unknown[] }[]): unknown {
  const methods = new Proxy(
    {},
    {
      get:
        (_, method: string) =>
        async (...values: unknown[]) => {
          sent.push({ method, arguments: values.map((value) => value ?? null) });
          return answer;
        },
    },
  );
  return { getByName: () => methods };
}
