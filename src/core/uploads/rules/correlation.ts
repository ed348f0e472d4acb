import { METADATA_KEYS } from "../../policy/rules/metadata-keys.ts";
import { SLUICE_KEY } from "../../policy/rules/reserved-keys.ts";

/** What ties an upload to the records of the tenant's backend. */
export interface Correlation {
  /** The metadata key `name` that the policy let through. */
  readonly name?: string;
  /** Custom metadata keys that the policy let through. */
  readonly meta?: Readonly<Record<string, string>>;
  /** The id of the grant under which the upload was created. */
  readonly grant?: string;
  /** The `reference` of that grant. */
  readonly reference?: string;
  /** The client's `Idempotency-Key`, while the upload holds it. */
  readonly idempotencyKey?: string;
}

/** Characters of name and `meta` as JSON that are kept. A list of 1,000 uploads has to fit into one answer of a ledger. */
const MAX_CHARACTERS = 8_192;

/** The texts of an upload's metadata: its name, and its custom keys. What is too long to be kept is left out, the name last. */
export function describeMetadata(
  metadata: Iterable<readonly [key: string, value: unknown]>,
): Pick<Correlation, "name" | "meta"> {
  let name: string | undefined;
  const size = (value: unknown) => JSON.stringify(value).length;
  const custom: [string, string][] = [];
  for (const [key, value] of metadata) {
    if (typeof value !== "string") continue;
    if (key === "name") name = size(value) <= MAX_CHARACTERS ? value : undefined;
    else if (!METADATA_KEYS.has(key) && key !== SLUICE_KEY) custom.push([key, value]);
  }
  const meta = custom.length > 0 ? Object.fromEntries(custom) : undefined;
  return {
    ...(name !== undefined && { name }),
    ...(meta && size([name, meta]) <= MAX_CHARACTERS && { meta }),
  };
}

/**
 * The client's `Idempotency-Key` in a key of the ledger: its last member, unless that is the fingerprint of a grant's file.
 *
 * @returns `undefined` if there is none
 */
export function idempotencyKeyIn(ledgerKey: string, fingerprint: string | null): string | undefined {
  if (!ledgerKey.startsWith("[")) return undefined;
  const [scope, , third, fourth] = JSON.parse(ledgerKey) as readonly string[];
  const header = scope === "person" ? fourth : third;
  return header === fingerprint ? undefined : header;
}
