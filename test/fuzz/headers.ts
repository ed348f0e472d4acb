import { SCOPES } from "../../src/core/auth/rules/scopes.ts";
import type { Random } from "./random.ts";
import { oddText } from "./values.ts";
import { STRICT_ORIGIN } from "./world.ts";

export type Header = readonly [name: string, value: string];

const GOOD_PAIRS: readonly [Header, ...Header[]] = [
  ["name", "A name"],
  ["maxDurationSeconds", "60"],
  ["requiresignedurls", "true"],
  ["allowedorigins", "app.example"],
  ["thumbnailtimestamppct", "0.5"],
  ["watermark", "ea95132c15732412d22c1476fa83f27a"],
  ["filename", "film.mp4"],
  ["filetype", "video/mp4"],
  ["type", "video/mp4"],
  ["relativePath", "null"],
  ["projectId", "1"],
];

const ODD_KEYS = [
  "expiry",
  "scheduleddeletion",
  "NAME",
  "maxdurationseconds",
  "sluice",
  "grant",
  "__proto__",
  "constructor",
  "",
  "é",
  "a b",
  "k".repeat(300),
] as const;

/** `Upload-Metadata`, mostly well-formed. */
export function metadata(random: Random, grant?: string): string {
  const pairs = Array.from({ length: random.below(5) }, () => pair(random));
  if (grant !== undefined) pairs.splice(random.below(pairs.length + 1), 0, `grant ${base64(grant)}`);
  const text = pairs.join(random.chance(0.9) ? "," : random.pick([", ", " ,\t", ",,", ";"]));
  return random.chance(0.05) ? random.spliced(text, random.pick([",", " ", "=", "*", "é"])) : text;
}

function pair(random: Random): string {
  const [good, text] = random.pick(GOOD_PAIRS);
  const key = random.chance(0.1) ? random.pick(ODD_KEYS) : good;
  const value = base64(random.chance(0.1) ? oddText(random) : text);
  switch (random.below(20)) {
    case 0:
      return key;
    case 1:
      return `${key} ${random.spliced(value, random.pick(["=", "-", "_", "*", " ", "é"]))}`;
    case 2:
      return `${key} ${value.replace(/=+$/, "")}`;
    case 3:
      // Not UTF-8.
      return `${key} ${Buffer.from([0xc3, 0x28, random.below(256)]).toString("base64")}`;
    default:
      return `${key} ${value}`;
  }
}

const base64 = (text: string) => Buffer.from(text).toString("base64");

const LENGTHS = [
  "0",
  "5",
  "00",
  "-1",
  "-0",
  "1.5",
  "1e3",
  "0x10",
  " 5",
  "+5",
  "30000000001",
  "9007199254740993",
  "é",
  "",
] as const;
const ORIGINS = [
  STRICT_ORIGIN,
  "https://evil.example",
  "null",
  "http://localhost:5173",
  "capacitor://localhost",
  "https://app.example.evil.example",
  "https://APP.example",
  "https://é.example",
  "",
  "*",
  "a, b",
] as const;

type MakeValue = (random: Random) => string;
const oneOf =
  (...values: readonly [string, ...string[]]): MakeValue =>
  (random) =>
    random.pick(values);

/** Headers that some route reads, or that a cache or proxy might. */
const ODD_HEADERS: readonly (readonly [name: string, make: MakeValue])[] = [
  ["Tus-Resumable", oneOf("1.0.0", "0.2.2", "1.0.0, 1.0.0", "", "2")],
  ["Upload-Length", oneOf(...LENGTHS)],
  ["Upload-Offset", oneOf("0", "-1", "x")],
  ["Upload-Metadata", metadata],
  ["Upload-Metadata", oneOf("x".repeat(20_000), "a ".repeat(3_000), ",".repeat(3_000))],
  ["Upload-Creator", oneOf("user-1", "user-2", "c".repeat(65), "é", " ", "")],
  ["Upload-Concat", oneOf("partial", "final;/a /b", "")],
  ["Upload-Defer-Length", oneOf("1", "0", "")],
  ["Upload-Draft-Interop-Version", oneOf("6", "")],
  ["Upload-Complete", oneOf("?0", "?1")],
  ["Idempotency-Key", oneOf("key-1", "key-2", "k".repeat(300), "é", "", '"quoted"', "a, b")],
  ["Origin", oneOf(...ORIGINS)],
  [
    "Content-Type",
    oneOf(
      "text/plain",
      "application/json; charset=utf-16",
      "multipart/form-data; boundary=a",
      "application/offset+octet-stream",
      "é",
      "",
    ),
  ],
  ["Content-Encoding", oneOf("gzip", "br", "x")],
  ["Accept", oneOf("text/html", "*/*;q=é")],
  [
    "X-HTTP-Method-Override",
    oneOf("GET", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS", "PUT", "post", "TRACE", "CONNECT", "", "é"),
  ],
  ["X-Request-ID", oneOf("id-1", "é", "a".repeat(300), "a b", "")],
  ["CF-Connecting-IP", oneOf("2001:db8::1", "::ffff:10.0.0.1", "unknown", "", "é", "1".repeat(200))],
  ["X-Forwarded-Host", oneOf("evil.example")],
  ["X-Forwarded-Proto", oneOf("http")],
  ["Access-Control-Request-Method", oneOf("POST", "é")],
  ["Access-Control-Request-Headers", oneOf("authorization, x-trace", "é", "a,".repeat(2_000))],
  ["If-Match", oneOf("*", '"a"')],
  ["If-None-Match", oneOf("*", '"a"')],
  ["If-Modified-Since", oneOf("Sat, 28 Nov 2026 00:00:00 GMT")],
  ["Range", oneOf("bytes=0-1", "bytes=5-1")],
  ["Cookie", oneOf("a=b; c")],
  ["Webhook-Signature", oneOf("time=1,sig1=00", "time=,sig1=", "é")],
  ["X-Auth-Email", oneOf("operator@example.com")],
  ["X-Auth-Key", oneOf(...SCOPES)],
  ["X-Filler", oneOf("x".repeat(10_000))],
];

/** Adds, replaces or repeats some headers. */
export function withOddHeaders(random: Random, headers: readonly Header[]): Header[] {
  const all = [...headers];
  for (let odd = random.below(4); odd > 0; odd--) {
    const header = random.pick(ODD_HEADERS);
    if (!header) continue;
    const [name, make] = header;
    const at = all.findIndex(([other]) => other.toLowerCase() === name.toLowerCase());
    const added: Header = [random.chance(0.1) ? name.toUpperCase() : name, make(random)];
    if (at < 0 || random.chance(0.2)) all.push(added);
    else all[at] = added;
  }
  if (random.chance(0.1)) all.splice(random.below(all.length), 1);
  if (random.chance(0.005)) all.push(...Array.from({ length: 150 }, (_, index): Header => [`X-Filler-${index}`, "x"]));
  return all;
}
