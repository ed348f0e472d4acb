import { OTHER_FORMS, jsonBody } from "./documents.ts";
import { type Header, metadata, withOddHeaders } from "./headers.ts";
import { Random } from "./random.ts";
import { OTHER_TARGETS, TENANT_TARGETS, type Target } from "./targets.ts";
import { ODD_TEXTS, brokenBytes } from "./values.ts";
import { type Credential, LANGUAGES, SCRATCH, TENANTS, type World, webhookSignature } from "./world.ts";

/** A profile of the local Stream. */
const WATERMARK = "ea95132c15732412d22c1476fa83f27a";

/** A request as it is sent. */
export interface FuzzRequest {
  readonly index: number;
  readonly target: Target;
  readonly method: string;
  /** Latin-1: each character is one byte. */
  readonly path: string;
  readonly headers: readonly Header[];
  readonly body?: Buffer;
  /** The valid credential that it carries; absent if there is none, or it was spoilt. */
  readonly credential?: Credential;
}

/** All that workerd passes on to a Worker. Others get its own 501. */
const METHODS = [
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "DELETE",
  "PATCH",
  "OPTIONS",
  "TRACE",
  "PURGE",
  "PROPFIND",
  "SEARCH",
] as const;

const ODD_SEGMENTS = [
  "%00",
  "%2e%2e",
  "..",
  ".",
  "%2F",
  "%2f..%2f",
  "%5c",
  "\\",
  "%c0%af",
  "%",
  "%zz",
  "%E2%80%AE",
  "\u00e9",
  // The bytes of "é" in UTF-8.
  "\u00c3\u00a9",
  "",
  "*",
  ":id",
  "__proto__",
  "constructor",
  "toString",
  "null",
  "0",
  "a;b=c",
  "a@b",
  "x".repeat(300),
  "x".repeat(9_000),
  // Names in Cloudflare's API.
  "keys",
  "live_inputs",
  "webhook",
  "embed",
  "generate",
  "watermarks",
] as const;

const QUERIES = [
  "limit=1",
  "limit=1000",
  "limit=0",
  "limit=1e9",
  "state=ready",
  "state=issued&creator=user-1",
  "cursor=",
  "cursor=0199f3c2-0000-7000-8000-000000000000",
  "cursor=z",
  "from=2026-11-28T00:00:00Z&to=2026-11-28T00:00:00.5Z",
  "from=0000-01-01T00:00:00Z",
  "to=9999-12-31T23:59:59Z",
  "view=stream",
  "view=",
  "creator=%00",
  "creator=user-1&creator=user-2",
  "search=%25_",
  "name=a,b",
  "id=,",
  "asc=true&include_counts=true",
  "after=2026-01-01T00:00:00Z&start=2026-01-01T00:00:00Z",
  "status=error",
  "type=live",
  "month=2026-11",
  "month=2026-13",
  "restore=true",
  "tenant=plain",
  "direct_user=true",
  "grant=a",
  "__proto__=1",
  "%",
  "=",
  `${"a".repeat(4_000)}=1`,
] as const;

/** Makes the request of this number: always the same one, but for the ids of uploads that exist by then. */
export function makeRequest(world: World, seed: number, index: number): FuzzRequest {
  const random = new Random(seed * 1_000_003 + index);
  const target = pickTarget(random);
  const isAdmin = target.path.startsWith("/admin/");
  const credential = pickCredential(random, world, isAdmin);
  const tenant = credential?.tenant !== undefined && random.chance(0.8) ? credential.tenant : random.pick(TENANTS);
  const sent = credential && spoil(random, credential);
  const inMetadata = credential?.isGrant && random.chance(0.7);

  const headers: Header[] = [["CF-Connecting-IP", `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`]];
  if (sent && !inMetadata) headers.push(["Authorization", sent.header]);
  if (random.chance(0.3)) headers.push(["Origin", "https://app.example"]);
  const grant = sent && inMetadata ? sent.token : undefined;
  if (target.tus) {
    headers.push(["Tus-Resumable", "1.0.0"], ["Upload-Length", "1000"]);
    if (grant !== undefined || random.chance(0.5)) headers.push(["Upload-Metadata", metadata(random, grant)]);
  }
  const body = makeBody(random, world, target, grant);
  if (target.document) headers.push(["Content-Type", "application/json"]);
  if (target.form !== undefined) headers.push(["Content-Type", `multipart/form-data; boundary=${BOUNDARY}`]);
  if (target.document === "notification" && random.chance(0.9))
    headers.push(["Webhook-Signature", webhookSignature(world.webhookSecret, body ?? Buffer.alloc(0))]);

  const isOdd = random.chance(0.6);
  const path = makePath(random, target, tenant, world);
  return {
    index,
    target,
    method: random.chance(0.06) ? random.pick(METHODS) : target.method,
    path: isOdd && random.chance(0.3) ? oddPath(random, path) : path,
    headers: isOdd ? withOddHeaders(random, headers) : headers,
    ...(body && { body }),
    ...(credential && sent?.isValid && { credential }),
  };
}

/** Deletes less often than it creates. */
function pickTarget(random: Random): Target {
  const target = random.pick(random.chance(0.6) ? TENANT_TARGETS : OTHER_TARGETS);
  return target && (target.method !== "DELETE" || random.chance(0.3)) ? target : pickTarget(random);
}

function pickCredential(random: Random, world: World, isAdmin: boolean): Credential | undefined {
  if (random.chance(0.05)) return undefined;
  const operators = world.credentials.filter(({ isOperator }) => isOperator);
  // Mostly one with which the request could succeed.
  if (isAdmin ? random.chance(0.95) : random.chance(0.02)) return random.pick(operators);
  return random.pick(random.chance(0.5) ? world.credentials.slice(1, 4) : world.credentials);
}

/** The credential in its header, sometimes broken. */
function spoil(random: Random, { token }: Credential) {
  const valid = { token, header: `${random.pick(["Bearer", "Bearer", "bearer"])} ${token}`, isValid: true };
  if (random.chance(0.95)) return valid;
  // Not in the last character: its low bits may be padding.
  const at = 8 + random.below(token.length - 10);
  const changed = token.slice(0, at) + (token[at] === "A" ? "B" : "A") + token.slice(at + 1);
  const spoilt = random.pick([changed, token.slice(0, at), `${token}${token}`, "", "é", "a.b.c", "x".repeat(9_000)]);
  const header = random.pick([
    `Bearer ${spoilt}`,
    `Basic ${token}`,
    token,
    `Bearer ${token} ${token}`,
    `Bearer  ${spoilt}`,
  ]);
  return { token: spoilt, header, isValid: false };
}

function makePath(random: Random, { path, ready }: Target, tenant: string, world: World): string {
  const uploads = ready && random.chance(0.9) ? world.ready : world.uploads;
  const upload = random.pick(uploads.filter((one) => one.tenant === tenant || random.chance(0.1)));
  const signingKey = path.endsWith("/signing-keys/:key") ? random.pick(world.signingKeys) : undefined;
  const key = path.endsWith("/keys/:key") ? random.pick(world.keys) : undefined;
  const ids: Readonly<Record<string, string>> = {
    tenant: tenant,
    id: random.chance(0.5) ? (upload?.id ?? "0") : (upload?.uid ?? "0"),
    upstream: signingKey?.upstream ?? random.pick(["default", ...SCRATCH]),
    scratch: key?.tenant ?? random.pick(SCRATCH),
    endpoint: random.pick(["e1", "e2"]),
    key: signingKey?.id ?? key?.id ?? "0",
    language: random.pick(LANGUAGES),
    profile: WATERMARK,
    event: `evt_${tenant}_${random.below(50)}`,
  };
  const filled = path.replaceAll(/:(\w+)/g, (_, name: string) => ids[name] ?? "0");
  // A tenant that was deleted needs it.
  if (path.endsWith("/tenants/:scratch") && random.chance(0.5)) return `${filled}?restore=true`;
  // A made-up upstream may be at Cloudflare's address: only the local Stream is asked.
  if (path.endsWith("/upstreams/:scratch")) return `${filled}?check=false`;
  return random.chance(0.2) ? `${filled}?${random.pick(QUERIES)}` : filled;
}

function oddPath(random: Random, path: string): string {
  const segments = path.split("/");
  const at = 1 + random.below(segments.length - 1);
  switch (random.below(4)) {
    case 0:
      segments[at] = random.pick(ODD_SEGMENTS);
      return segments.join("/");
    case 1:
      segments.splice(at, 0, random.pick(ODD_SEGMENTS));
      return segments.join("/");
    case 2:
      segments[at] = random.spliced(segments[at] ?? "", random.pick(ODD_SEGMENTS), 0);
      return segments.join("/");
    default:
      return `${path}${random.pick(["/", "//", "?", "?&&", "#a", `?${random.pick(QUERIES)}&${random.pick(QUERIES)}`])}`;
  }
}

function makeBody(random: Random, world: World, target: Target, grant: string | undefined): Buffer | undefined {
  if (random.chance(0.03))
    return Buffer.alloc(random.pick([1, 5_000, 70_000, 300_000]), random.pick(["a", "[", '"', "\u0000"]));
  if (target.form !== undefined) return formBody(random.chance(0.3) ? random.pick(ODD_TEXTS) : target.form, random);
  if (!target.document) return random.chance(0.05) ? Buffer.from(random.pick(ODD_TEXTS)) : undefined;
  const form = random.pick([target.document, ...(OTHER_FORMS[target.document] ?? [])]) ?? target.document;
  const document = structuredClone(world.documents[form]) as {
    uid?: string;
    meta?: object;
    clippedFromVideoUID?: string;
  };
  if (grant !== undefined && target.document === "direct") Object.assign(document.meta ?? {}, { grant });
  if (document.uid !== undefined) document.uid = random.pick(world.uploads)?.uid ?? document.uid;
  if (document.clippedFromVideoUID !== undefined)
    document.clippedFromVideoUID = random.pick(world.ready)?.uid ?? document.clippedFromVideoUID;
  const body = jsonBody(random, document);
  return random.chance(0.05) ? brokenBytes(random, body.toString("utf8")) : body;
}

const BOUNDARY = "fuzz";

/** A form with one part, or now and then another number of them, or a broken one. */
function formBody(text: string, random: Random): Buffer {
  const name = random.chance(0.9) ? "file" : "captions";
  const part = `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"; filename="a.vtt"\r\n\r\n${text}\r\n`;
  const parts = random.chance(0.9) ? part : part.repeat(random.below(3));
  return Buffer.from(random.chance(0.95) ? `${parts}--${BOUNDARY}--\r\n` : parts);
}
