import { formatApiKey } from "../../src/core/auth/rules/api-key.ts";
import { encodeUploadMetadata } from "../../src/core/uploads/rules/upload-metadata.ts";
import type { Credentials } from "./credentials.ts";
import type { ServerName } from "./servers.ts";
import { PLAN_TENANT, TENANT, type TenantKey } from "./state.ts";

/** One line of the table: a server's work against another server's, concurrently on the same processor. */
export interface Row {
  readonly id: string;
  readonly title: string;
  readonly subject: Work;
  readonly against: Work;
  readonly bar?: Bar;
  /** Measured longer, since the docs quote it. */
  readonly isKey?: boolean;
  /** Its latency is measured, too. */
  readonly hasLatency?: boolean;
  /** Milliseconds of load before the first round, if the schedule's warm-up does not start all objects. */
  readonly warmUpMs?: number;
}

export interface Work {
  readonly server: ServerName;
  /** Requests, sent in turn. */
  readonly requests: readonly string[];
  readonly expect: readonly number[];
}

/** The expected ratio of CPU time per request: a goal, which is reported and does not fail the run. */
export type Bar = { readonly atMost: number } | { readonly within: number };

const OVER_REFUSAL_FLOOR: Bar = { atMost: 1.15 };
const OVER_CREATION_FLOOR: Bar = { atMost: 1.2 };
const OVER_ADMISSION_FLOOR: Bar = { atMost: 1.3 };
/** Milliseconds of load that certainly start an object. */
const WAKE_MS = 20;
/** Allowed drift with the size of a ledger and the number of active tenants. */
const FLAT: Bar = { within: 0.2 };
const SAME: Bar = { within: 0.1 };
/** Both sides of the A/A row do the same: what it differs by is the error of the other rows. */
const ERROR: Bar = { within: 0.03 };

/** As tus clients send them. */
const METADATA = { filename: "holiday.mp4", filetype: "video/mp4", name: "holiday", maxdurationseconds: "600" };
export const METADATA_HEADER = encodeUploadMetadata(Object.entries(METADATA));

/** The table, in order. */
export function makeRows({ key, planKey, grant, upload, jwts }: Credentials, others: readonly TenantKey[]): Row[] {
  const create = creation(bearer(key));
  const creating = (server: ServerName): Work => ({ server, requests: [create], expect: [201] });
  const baseline = creating("baseline");
  const gateway = (request: string, ...expect: number[]): Work => ({ server: "gateway", requests: [request], expect });
  const byHs256 = creation(bearer(jwts.get("hs256") ?? ""));
  const peer = (id: "tus-server" | "hono-proxy", title: string): Row => ({
    id,
    title: `peer on Node: ${title}`,
    subject: { server: id, requests: [byHs256], expect: [201] },
    against: baseline,
    hasLatency: true,
  });
  const refusedByFloor: Work = { server: "floor", requests: [creation(bearer("junk"))], expect: [401] };
  const creations = (["hs256", "es256", "rs256"] as const).map((id) => ({
    id,
    title: `creation, JWT ${id.toUpperCase()}`,
    subject: gateway(creation(bearer(jwts.get(id) ?? "")), 201),
    against: baseline,
  }));
  const refusal = (id: string, title: string, request: string, ...expect: number[]): Row => ({
    id,
    title: `refusal : its platform floor, ${title}`,
    subject: gateway(request, ...expect),
    against: refusedByFloor,
    bar: OVER_REFUSAL_FLOOR,
  });
  const unknownKey = formatApiKey("0".repeat(16), "0".repeat(43)).text;

  return [
    {
      id: "aa",
      title: "A/A: the baseline twice",
      subject: baseline,
      against: baseline,
      bar: ERROR,
      isKey: true,
      hasLatency: true,
    },
    { id: "floor", title: "platform floor of a creation", subject: creating("floor"), against: baseline },
    { id: "refusal-floor", title: "platform floor of a refusal", subject: refusedByFloor, against: baseline },
    { id: "admission-floor", title: "admission floor", subject: creating("admission-floor"), against: baseline },
    {
      id: "key",
      title: "creation, API key, no admission",
      subject: gateway(create, 201),
      against: baseline,
      isKey: true,
      hasLatency: true,
    },
    {
      id: "key-over-floor",
      title: "the same : platform floor",
      subject: gateway(create, 201),
      against: creating("floor"),
      bar: OVER_CREATION_FLOOR,
      isKey: true,
    },
    ...creations,
    ...creations.map(({ id, title, subject }) => ({
      id: `${id}-before`,
      title: `${title} : the version before`,
      subject,
      against: { ...subject, server: "gateway-before" as const },
      isKey: true,
    })),
    {
      id: "admission",
      title: "creation, API key, full admission",
      subject: creating("gateway-admitting"),
      against: baseline,
      isKey: true,
      hasLatency: true,
    },
    {
      id: "admission-over-floor",
      title: "the same : admission floor",
      subject: creating("gateway-admitting"),
      against: creating("admission-floor"),
      bar: OVER_ADMISSION_FLOOR,
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
      against: creating("gateway-active"),
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
      id: "token",
      title: "playback token, signed by the gateway",
      subject: { server: "gateway-admitting", requests: [playbackToken(key, upload)], expect: [200] },
      against: baseline,
    },
    peer("tus-server", "@tus/server with a JWT hook (stores the bytes)"),
    peer("hono-proxy", "hand-written Hono proxy with JWT"),
    // These soon exceed the limit of failures per address, like any guessing client.
    refusal("junk-key", "junk for a key", creation(bearer("junk")), 401, 429),
    {
      id: "junk-key-miniflare",
      title: "the same with Miniflare's rate limit",
      subject: { server: "gateway-miniflare-limit", requests: [creation(bearer("junk"))], expect: [401, 429] },
      against: refusedByFloor,
    },
    refusal("unknown-key", "unknown key", creation(bearer(unknownKey)), 401, 429),
    refusal("metadata", "malformed metadata", creation({ ...bearer(key), "Upload-Metadata": "name a,name b" }), 400),
    refusal("policy", "against the policy", creation(bearer(key), { ...METADATA, maxdurationseconds: "36000" }), 403),
    {
      id: "plan",
      title: "tenant on a plan : tenant without, D1 read by each",
      subject: {
        server: "gateway-uncached",
        requests: [creation(bearer(planKey), METADATA, PLAN_TENANT)],
        expect: [201],
      },
      against: creating("gateway-uncached"),
    },
    {
      id: "tenants",
      title: "100,000 tenants : 1",
      subject: creating("gateway-many"),
      against: creating("gateway"),
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

function playbackToken(key: string, upload: string): string {
  const lines = Object.entries({ Host: "uploads.example.com", "Content-Length": "0", ...bearer(key) });
  const head = lines.map(([name, value]) => `${name}: ${value}`);
  return [`POST /v1/${TENANT}/uploads/${upload}/playback HTTP/1.1`, ...head, "", ""].join("\r\n");
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
