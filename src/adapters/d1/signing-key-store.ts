import type { SigningKeyStore } from "../../core/ports/admin-registry.ts";
import { MAX_SIGNING_KEYS, type SigningJwk, type SigningKey } from "../../core/playback/rules/signing-key.ts";
import { DEFAULT_UPSTREAM } from "../../core/shared/tenant.ts";
import type { Database } from "./database.ts";
import type { FieldEncryption } from "./field-encryption.ts";
import type { Query } from "./query.ts";

export interface SigningKeyRow {
  readonly upstream: string;
  readonly id: string;
  readonly account_id: string;
  readonly created_at: number;
  readonly sealed_jwk: string;
}

/** Newest first. */
export const SIGNING_KEYS = "SELECT * FROM signing_keys WHERE upstream = ? ORDER BY created_at DESC, id DESC";

/** Opens the keys of an upstream. One that cannot be opened, for lack of its master key, is left out: it cannot sign. */
export async function openSigningKeys(
  rows: readonly SigningKeyRow[],
  encryption: FieldEncryption,
): Promise<readonly SigningKey[]> {
  const opened = await Promise.all(rows.map((row) => open(row, encryption)));
  return rows.flatMap((row, index) => {
    const jwk = opened[index];
    return jwk === undefined ? [] : [{ ...signingKeyOf(row), jwk: JSON.parse(jwk) as SigningJwk }];
  });
}

function open(row: SigningKeyRow, encryption: FieldEncryption): Promise<string | undefined> {
  return encryption.open(row.sealed_jwk, signingKeyContext(row));
}

/** A change in the database alone cannot make a key sign for another account, or under another name. */
function signingKeyContext({
  upstream,
  account_id,
  id,
}: Pick<SigningKeyRow, "upstream" | "account_id" | "id">): string {
  return `signing-key:${upstream} ${account_id} ${id}`;
}

function signingKeyOf({ id, account_id: accountId, created_at: created }: SigningKeyRow): Omit<SigningKey, "jwk"> {
  return { id, accountId, created };
}

export function createSigningKeyStore(database: Database, encryption: FieldEncryption): SigningKeyStore {
  const { all, write, now } = database;
  return {
    async list(upstream) {
      const rows = await all<SigningKeyRow>(SIGNING_KEYS, [upstream]);
      return Promise.all(
        rows.map(async (row) => ({ ...signingKeyOf(row), opens: (await open(row, encryption)) !== undefined })),
      );
    },

    async add(upstream, { id, jwk }, origin) {
      const row = { upstream: upstream.id, account_id: upstream.accountId, id };
      const sealed = await encryption.seal(JSON.stringify(jwk), signingKeyContext(row));
      // One statement, because another key may be added, or the upstream be changed, at the same time.
      const query: Query = [
        `INSERT INTO signing_keys (upstream, id, account_id, created_at, sealed_jwk) SELECT ?1, ?2, ?3, ?4, ?5
         WHERE (SELECT count(*) FROM signing_keys WHERE upstream = ?1) < ${MAX_SIGNING_KEYS}
           AND (?1 = '${DEFAULT_UPSTREAM}' OR EXISTS (SELECT 1 FROM upstreams WHERE id = ?1 AND account_id = ?3))
         ON CONFLICT DO NOTHING`,
        [row.upstream, id, row.account_id, now(), sealed],
      ];
      const action = origin === "made" ? "signing-key.create" : "signing-key.import";
      return (await write([query], entry(action, row.upstream, id))) > 0;
    },

    async delete(upstream, id, account) {
      const sql = "DELETE FROM signing_keys WHERE id = ?2 AND (upstream = ?1 OR account_id = ?3)";
      const query: Query = [sql, [upstream, id, account ?? null]];
      return (await write([query], entry("signing-key.delete", upstream, id))) > 0;
    },
  };
}

function entry<Action extends string>(action: Action, upstream: string, id: string) {
  return { action, target: upstream, details: { id } };
}
