import { formatApiKey } from "../../src/core/auth/rules/api-key.ts";
import { encodeUploadMetadata } from "../../src/core/uploads/rules/upload-metadata.ts";
import type { Credentials } from "./credentials.ts";
import type { ServerName } from "./servers.ts";
import { TENANT, type TenantKey } from "./state.ts";

/** One line of the table: a server's work against another server's, concurrently on the same processor. */
export interface Row {
  readonly id: string;
  readonly title: string;
  readonly subject: Work;
  readonly against: Work;
  readonly bar?: Bar;
  /** Measured longer, since the docs quote it. */
  readonly isKey?: boolean;
  /** Milliseconds of load before the first round, if the schedule's warm-up does not start all objects. */
  readonly warmUpMs?: number;
}

export interface Work {
  readonly server: ServerName;
  /** Requests, sent in turn. */
  readonly requests: readonly string[];
  readonly expect: readonly number[];
}

/** The expected ratio of CPU time per request. */
export type Bar = { readonly atMost: number } | { readonly within: number };

const REFUSAL: Bar = { atMost: 0.6 };
const CREATION_BY_KEY: Bar = { atMost: 1.5 };
const FULL_ADMISSION: Bar = { atMost: 4.5 };
/** Milliseconds of load that certainly start an object. */
const WAKE_MS = 20;
/** Allowed drift with the size of a ledger and the number of active tenants. */
const FLAT: Bar = { within: 0.2 };
const SAME: Bar = { within: 0.1 };

/** As tus clients send them. */
const METADATA = { filename: "holiday.mp4", filetype: "video/mp4", name: "holiday", maxdurationseconds: "600" };
export const METADATA_HEADER = encodeUploadMetadata(Object.entries(METADATA));

/** The table, in order. */
export function makeRows({ key, grant, jwts }: Credentials, others: readonly TenantKey[]): Row[] {
  const create = creation(bearer(key));
  const creating = (server: ServerName): Work => ({ server, requests: [create], expect: [201] });
  const baseline = creating("baseline");
  const gateway = (request: string, ...expect: number[]): Work => ({ server: "gateway", requests: [request], expect });
  const creations = (["hs256", "es256", "rs256"] as const).map((id) => ({
    id,
    title: `creation, JWT ${id.toUpperCase()}`,
    subject: gateway(creation(bearer(jwts.get(id) ?? "")), 201),
    against: baseline,
  }));
  const refusal = (id: string, title: string, request: string, ...expect: number[]): Row => ({
    id,
    title: `refusal, ${title}`,
    subject: gateway(request, ...expect),
    against: baseline,
    bar: REFUSAL,
  });
  const unknownKey = formatApiKey("0".repeat(16), "0".repeat(43)).text;

  return [
    { id: "aa", title: "A/A: the baseline twice", subject: creating("baseline-2"), against: baseline },
    { id: "floor", title: "a creation's platform calls alone", subject: creating("floor"), against: baseline },
    {
      id: "key",
      title: "creation, API key, no admission",
      subject: gateway(create, 201),
      against: baseline,
      bar: CREATION_BY_KEY,
      isKey: true,
    },
    ...creations,
    {
      id: "admission",
      title: "creation, API key, full admission",
      subject: creating("gateway-admitting"),
      against: baseline,
      bar: FULL_ADMISSION,
      isKey: true,
    },
    ...(
      [
        ["uploads-100k", "full admission, 100,000 uploads : 0", "gateway-100k"],
        ["uploads-1m", "full admission, 1,000,000 uploads : 0", "gateway-1m"],
      ] as const
    ).map(([id, title, server]) => ({
      id,
      title,
      subject: creating(server),
      against: creating("gateway-admitting"),
      bar: FLAT,
    })),
    {
      id: "active-tenants",
      title: `full admission, ${others.length} active tenants : 1`,
      subject: {
        server: "gateway-active",
        requests: others.map(({ tenant, key }) => creation(bearer(key), METADATA, tenant)),
        expect: [201],
      },
      against: creating("gateway-active-one"),
      bar: FLAT,
      warmUpMs: others.length * WAKE_MS,
    },
    {
      id: "replay",
      title: "the same creation again, replayed",
      subject: {
        server: "gateway-admitting",
        requests: [creation({ ...bearer(key), "Idempotency-Key": "1" })],
        expect: [201, 409],
      },
      against: baseline,
    },
    {
      id: "grant",
      title: "creation, grant",
      subject: gateway(creation({}, { ...METADATA, grant }), 201),
      against: baseline,
    },
    {
      id: "floor-refusal",
      title: "a refusal's platform calls alone",
      subject: { server: "floor", requests: [creation(bearer("junk"))], expect: [401] },
      against: baseline,
    },
    // These soon exceed the limit of failures per address, like any guessing client.
    refusal("junk-key", "junk for a key", creation(bearer("junk")), 401, 429),
    {
      id: "junk-key-miniflare",
      title: "the same with Miniflare's rate limit",
      subject: { server: "gateway-miniflare-limit", requests: [creation(bearer("junk"))], expect: [401, 429] },
      against: baseline,
    },
    refusal("unknown-key", "unknown key", creation(bearer(unknownKey)), 401, 429),
    refusal("metadata", "malformed metadata", creation({ ...bearer(key), "Upload-Metadata": "name a,name b" }), 400),
    refusal("policy", "against the policy", creation(bearer(key), { ...METADATA, maxdurationseconds: "36000" }), 403),
    {
      id: "tenants",
      title: "100,000 tenants : 1",
      subject: creating("gateway-many"),
      // A gateway of its own, since the other rows warm theirs.
      against: creating("gateway-one"),
      bar: SAME,
    },
    {
      id: "tenants-uncached",
      title: "100,000 tenants : 1, D1 read by each",
      subject: creating("gateway-many-uncached"),
      against: creating("gateway-uncached"),
      bar: SAME,
    },
  ];
}

function bearer(credential: string): Record<string, string> {
  return { Authorization: `Bearer ${credential}` };
}

function creation(
  headers: Readonly<Record<string, string>>,
  metadata: Readonly<Record<string, string>> = METADATA,
  tenant = TENANT,
): string {
  const all = {
    Host: "uploads.example.com",
    Accept: "*/*",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "Content-Length": "0",
    "Tus-Resumable": "1.0.0",
    "Upload-Length": "52428800",
    "Upload-Metadata": encodeUploadMetadata(Object.entries(metadata)),
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  return [`POST /v1/${tenant}/uploads HTTP/1.1`, ...lines, "", ""].join("\r\n");
}
