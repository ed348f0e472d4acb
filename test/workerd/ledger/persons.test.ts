import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createLedgers } from "../../../src/adapters/durable-objects/ledger-client.ts";
import { personKey, storedOwner } from "../../../src/core/auth/rules/person-key.ts";
import type { Person } from "../../../src/core/auth/rules/person.ts";
import { lowerBoundAt } from "../../../src/core/uploads/rules/upload-id.ts";
import type { CreatorFilter } from "../../../src/core/uploads/rules/upload-record.ts";
import type { TenantLedger } from "../../../src/durable-objects/tenant-ledger/tenant-ledger.ts";
import { LOOK_ALIKES, person } from "../../support/persons.ts";
import {
  issueUpload,
  newLedger,
  newUid,
  now,
  reservationRequest,
  reserve,
  streamVideo,
  tagged,
  uidOf,
} from "../support/ledger.ts";

const ledgers = createLedgers(env.LEDGER);
/** Of tests with hundreds of calls. */
const SLOW = { timeout: 60_000 };
const isSame = (a: Person, b: Person) => a.namespace === b.namespace && a.subject === b.subject;

async function idsOf(tenant: string, filter: CreatorFilter, more: object = {}): Promise<readonly string[]> {
  const page = await ledgers.list(tenant, { limit: 100, ...filter, ...more });
  return page.ok ? page.value.uploads.map(({ id }) => id) : expect.unreachable();
}

describe("persons in a ledger", () => {
  it(
    "are one person in lists, look-ups, limits, rates, usage and replays only if namespace and subject are the same",
    SLOW,
    async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(person, { minLength: 2, maxLength: 6 }), async (persons) => {
          const { stub, name: tenant } = newLedgerOf();
          const made: { id: string; person: Person }[] = [];
          for (const one of persons) {
            const key = personKey(one, tenant);
            const before = made.filter(({ person: other }) => isSame(one, other)).length;
            const { id } = await issueUpload(stub, storedOwner({ person: one, creator: one.subject }, tenant));
            made.push({ id, person: one });

            const limits = { pendingPerCreator: before + 2, rate: { creator: before + 2 } };
            const uses = await ledgers.limitUses(tenant, limits, { bytes: 1, seconds: 1, creator: key });
            expect(uses.ok && uses.value.map(({ used }) => used)).toEqual([before + 1, before + 1]);
          }
          for (const one of persons) {
            const own = made.filter(({ person: other }) => isSame(one, other)).map(({ id }) => id);
            const filter = { creator: personKey(one, tenant) };
            expect((await idsOf(tenant, filter)).toReversed()).toEqual(own);
            expect(await idsOf(tenant, { creator: one.subject, orLabel: true })).toEqual(
              made
                .filter(({ person: other }) => other.subject === one.subject)
                .map(({ id }) => id)
                .toReversed(),
            );
            expect(await ledgers.usageOfCreator(tenant, filter)).toMatchObject({ value: { pending: own.length } });
            for (const id of own) expect(await ledgers.find(tenant, id)).toMatchObject({ value: { id, person: one } });
          }
        }),
        { numRuns: 30 },
      );
    },
  );

  it.each(LOOK_ALIKES)("stores and returns the subject %j as it is", async (subject) => {
    const { stub, name: tenant } = newLedgerOf();
    const one = { namespace: "auth0", subject };
    const { id } = await issueUpload(stub, storedOwner({ person: one, creator: subject }, tenant));
    for (const other of LOOK_ALIKES)
      expect(await idsOf(tenant, { creator: personKey({ ...one, subject: other }, tenant) }), other).toEqual(
        other === subject ? [id] : [],
      );
  });
});

describe("a creator", () => {
  const namespaces = ["tenant", "auth0", "idp", "clerk", "okta"];
  const persons = [
    ...namespaces.map((namespace) => ({ namespace, subject: "user-1" })),
    { namespace: "auth0", subject: "user-2" },
  ];

  it("is found by its subject in any namespace, and by what Stream was told, newest first, page by page", async () => {
    const { stub, name: tenant } = newLedgerOf();
    const made: string[] = [];
    for (const creator of ["user-1", "a/user-1", "user-2", ""])
      for (const one of persons) {
        const { id } = await issueUpload(stub, storedOwner({ person: one, creator }, tenant));
        if (one.subject === "user-1" || creator === "user-1") made.push(id);
      }
    for (const ascending of [false, true]) {
      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const query = { limit: 3, creator: "user-1", orLabel: true as const, ascending };
        const page = await ledgers.list(tenant, { ...query, ...(cursor !== undefined && { cursor }) });
        const { uploads, cursor: next } = page.ok ? page.value : expect.unreachable();
        seen.push(...uploads.map(({ id }) => id));
        cursor = next;
      } while (cursor !== undefined);
      expect(seen).toEqual(ascending ? made : made.toReversed());
    }
    expect(await ledgers.usageOfCreator(tenant, { creator: "user-1", orLabel: true })).toMatchObject({
      value: { pending: made.length },
    });
    expect(await idsOf(tenant, { creator: "a/user-1", orLabel: true })).toHaveLength(persons.length);
    expect(await idsOf(tenant, { creator: "user-1\u001fauth0", label: "a/user-1" })).toHaveLength(1);
    expect(await idsOf(tenant, { creator: "user-1\u001fauth0", label: "user-2" })).toHaveLength(1);
    expect(await idsOf(tenant, { creator: "user-1\u001fauth0", label: "user-3" })).toEqual([]);
    expect(await idsOf(tenant, { creator: "nobody", orLabel: true })).toEqual([]);
    expect(await idsOf(tenant, { creator: "user-1", orLabel: true }, { state: "ready" })).toEqual([]);
    expect(await idsOf(tenant, { creator: "user-1", orLabel: true }, { state: "issued" })).toHaveLength(made.length);
  });

  it("of an imported video decides nothing", async () => {
    const { stub, name: tenant } = newLedgerOf();
    const { id } = reservationRequest();
    const video = streamVideo(newUid(), "ready", { ...(await tagged(stub, id)), creator: "user-1" });
    await stub.compare("default", { from: now() - 60, to: now() + 60, videos: [video] });
    const found = await ledgers.find(tenant, id);
    expect(found).toMatchObject({ value: { creator: "user-1" } });
    expect(found).not.toHaveProperty("value.person");
    expect(await idsOf(tenant, { creator: "user-1" })).toEqual([]);
    expect(await idsOf(tenant, { creator: "user-1", orLabel: true })).toEqual([id]);
  });

  it.each([
    ["a subject", { creator: "user-1", orLabel: true }],
    ["what Stream is told", { creator: "label", orLabel: true }],
    ["a person", { creator: "user-1\u001fauth0" }],
    ["a label that none of a person's uploads has", { creator: "user-1\u001fauth0", label: "none" }],
  ] as const)("takes few reads among 20,000 uploads to list by %s", async (_, filter) => {
    const { stub, name: tenant } = newLedgerOf();
    const rowsRead = await runInDurableObject(stub, async (_, { storage: { sql } }) => {
      const idOf = (index: number) => `${lowerBoundAt(1_700_000_000 + index)}-7000-8000-${uidOf(index).slice(-12)}`;
      const creators = ["user-1\u001fauth0", "user-2", "user-1\u001fidp", "user-2", "user-1", "user-2"];
      const rows = Array.from({ length: 20_000 }, (_, index) => [
        idOf(index),
        creators[index % creators.length],
        index % 2 === 0 ? null : "label",
      ]);
      sql.exec(
        `INSERT INTO uploads (id, state, creator, label, uid, upstream, bytes, seconds, created, expires)
         SELECT value ->> 0, 'ready', value ->> 1, value ->> 2, value ->> 0, 'default', 1, 1, 0, 0 FROM json_each(?)`,
        JSON.stringify(rows),
      );
      return sql.exec("SELECT count(*) FROM uploads").rowsRead;
    });
    expect(rowsRead).toBeGreaterThan(1_000);
    const read = await runInDurableObject(stub, (object: TenantLedger, { storage: { sql } }) => {
      let reads = 0;
      const exec = sql.exec.bind(sql);
      sql.exec = ((query: string, ...values: never[]) => {
        const cursor = exec(query, ...values);
        const rows = cursor.toArray();
        reads += cursor.rowsRead;
        return { toArray: () => rows };
      }) as typeof sql.exec;
      const { uploads } = object.list({ limit: 50, ...filter });
      sql.exec = exec;
      return { reads, uploads: uploads.length };
    });
    expect(read.uploads).toBe("label" in filter ? 0 : 50);
    expect(read.reads).toBeLessThan(300);
    expect(tenant).not.toBe("");
  });

  it("costs no row more to write when Stream is told the subject", async () => {
    const written = (more: object) =>
      runInDurableObject(newLedger(), (object: TenantLedger, { storage: { sql } }) => {
        object.reserve(reservationRequest());
        let rows = 0;
        const exec = sql.exec.bind(sql);
        sql.exec = ((query: string, ...values: never[]) => {
          const cursor = exec(query, ...values);
          rows += cursor.rowsWritten;
          return cursor;
        }) as typeof sql.exec;
        object.reserve(reservationRequest(more));
        sql.exec = exec;
        return rows;
      });
    const [plain, tenants, others, labelled] = await Promise.all([
      written({}),
      written({ creator: "user-1" }),
      written({ creator: "user-1\u001fauth0" }),
      written({ creator: "user-1\u001fauth0", label: "digest" }),
    ]);
    expect([tenants, others, labelled]).toEqual([plain + 1, plain + 1, plain + 2]);
  });
});

/** The uploads of two persons with the same subject, in one ledger. */
function newLedgerOf() {
  const stub = newLedger();
  return { stub, name: stub.name };
}

describe("an idempotency key", () => {
  it("of one person is free for another with the same subject", async () => {
    const { stub } = newLedgerOf();
    const idempotency = (key: string) => ({ key, fingerprint: "f", once: false });
    const first = await issueUpload(stub, { idempotency: idempotency('["person","auth0","user-1","k"]') });
    const again = (key: string) => reserve(stub, reservationRequest({ idempotency: idempotency(key) }));
    expect(await again('["person","auth0","user-1","k"]')).toMatchObject({ kind: "replayed", id: first.id });
    expect(await again('["person","idp","user-1","k"]')).toMatchObject({ kind: "reserved" });
    expect(await again('["tenant","user-1","k"]')).toMatchObject({ kind: "reserved" });
  });
});
