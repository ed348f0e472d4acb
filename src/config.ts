import * as v from "valibot";
import { DEFAULT_CALLS_PER_WINDOW, MAX_CALLS_PER_WINDOW } from "./core/budget/rules/call-window.ts";
import { isFetchableUrl } from "./core/shared/fetched-url.ts";
import type { Upstream } from "./core/stream/rules/upstream.ts";
import { DEFAULT_UPSTREAM } from "./core/shared/tenant.ts";
import {
  ANY_ACCOUNT,
  MAX_WEBHOOK_SECRETS,
  STREAM_API_BASE,
  STREAM_UPLOAD_HOSTS,
  USUAL_MAXIMA,
  WEBHOOK_SECRET,
} from "./core/stream/rules/defaults.ts";

/** The Worker's validated settings. A missing or malformed setting stops every request: see `ConfigError`. */
export interface Config {
  readonly operatorToken: string;
  /** Signs and verifies grants. */
  readonly grantKeys: KeyRing;
  /** Encrypts the secrets in the registry, and signs the tags of videos. */
  readonly masterKeys: KeyRing;
  /** The upstream `default`; absent if the environment sets none and the operator adds upstreams through the API. */
  readonly defaultUpstream?: Upstream;
  /** Maximum age of registry data that a request is decided by. */
  readonly registryCacheSeconds: number;
  /** Timeout of a call to Stream in milliseconds. */
  readonly streamDeadlineMs: number;
  /** For development: allows http and loopback addresses. */
  readonly allowLoopback: boolean;
}

/** Named keys for rotation: the first signs or encrypts, all verify or decrypt. */
export type KeyRing = readonly [RingKey, ...RingKey[]];

export interface RingKey {
  readonly id: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Names the setting that is wrong, never its value. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** HMAC-SHA256 and AES-256 both take 256 bits. */
const RING_KEY_BYTES = 32;
const RING_KEY = /^([A-Za-z0-9_-]{1,32}):([A-Za-z0-9+/]{43}=)$/;
/** Keeps guessable operator tokens such as "changeme" out. */
const MIN_OPERATOR_TOKEN_CHARACTERS = 16;
const MAX_CACHE_SECONDS = 300;

/**
 * For one call to Stream. The platform ends a creation 30 seconds after its client disconnects, which must also leave time for
 * the ledger; it ends an alarm after 15 minutes, in which the search for a lost video may take 20 calls.
 */
const MAX_DEADLINE_MS = 20_000;

const keyRing = v.pipe(
  v.string(),
  v.transform((text) => text.split(",").map((part) => RING_KEY.exec(part.trim()))),
  v.check(
    (matches) => matches.every((match) => match !== null),
    `must be "<id>:<base64 of ${RING_KEY_BYTES} bytes>", or several joined by commas`,
  ),
  v.transform((matches) =>
    matches.map((match) => ({ id: match?.[1] ?? "", bytes: Uint8Array.fromBase64(match?.[2] ?? "") })),
  ),
  v.check((keys) => new Set(keys.map(({ id }) => id)).size === keys.length, "must not name a key twice"),
  v.transform((keys) => keys as unknown as KeyRing),
);

/** Values that go into a header. */
const PRINTABLE = /^[\x21-\x7e]*$/;

const optionalText = v.optional(v.pipe(v.string(), v.trim()), "");
const credential = v.pipe(optionalText, v.regex(PRINTABLE, "must be printable ASCII without blanks"));

/** The Stream account of the upstream `default`. */
const upstreamEnvironment = v.object({
  STREAM_API_BASE: v.optional(
    v.pipe(
      v.string(),
      v.trim(),
      v.check((text) => URL.canParse(text)),
    ),
    STREAM_API_BASE,
  ),
  STREAM_UPLOAD_HOSTS: v.optional(
    v.pipe(v.string(), v.transform(splitHosts), v.minLength(1, "must name a host")),
    STREAM_UPLOAD_HOSTS,
  ),
  STREAM_ACCOUNT_ID: v.pipe(optionalText, v.regex(/^[\w-]{0,32}$/, "must be an account id of at most 32 characters")),
  STREAM_API_TOKEN: credential,
  STREAM_API_EMAIL: credential,
  STREAM_API_KEY: credential,
  STREAM_WEBHOOK_SECRETS: v.pipe(
    optionalText,
    v.transform(splitList),
    v.check(
      (secrets) => secrets.length <= MAX_WEBHOOK_SECRETS && secrets.every((secret) => WEBHOOK_SECRET.test(secret)),
      `must be at most ${MAX_WEBHOOK_SECRETS} secrets of 16 or more printable characters, joined by commas`,
    ),
  ),
  STREAM_CALLS_PER_WINDOW: v.pipe(
    v.optional(v.string(), String(DEFAULT_CALLS_PER_WINDOW)),
    v.transform(Number),
    v.safeInteger(),
    v.minValue(1),
    v.maxValue(MAX_CALLS_PER_WINDOW),
  ),
  STREAM_MAX_UPLOAD_BYTES: v.pipe(
    v.optional(v.string(), String(USUAL_MAXIMA.maxUploadBytes)),
    v.transform(Number),
    v.safeInteger(),
    v.minValue(1),
  ),
  STREAM_MAX_VIDEO_SECONDS: v.pipe(
    v.optional(v.string(), String(USUAL_MAXIMA.maxVideoSeconds)),
    v.transform(Number),
    v.safeInteger(),
    v.minValue(1),
    v.maxValue(ANY_ACCOUNT.maxVideoSeconds),
  ),
});

const environment = v.object({
  ...upstreamEnvironment.entries,
  OPERATOR_TOKEN: v.pipe(
    v.string(),
    v.minLength(MIN_OPERATOR_TOKEN_CHARACTERS, "must have 16 characters or more"),
    v.regex(PRINTABLE, "must be printable ASCII without blanks"),
  ),
  GRANT_KEYS: keyRing,
  MASTER_KEYS: keyRing,
  REGISTRY_CACHE_SECONDS: v.pipe(
    v.optional(v.string(), "10"),
    v.transform(Number),
    v.safeInteger(),
    v.minValue(0),
    v.maxValue(MAX_CACHE_SECONDS),
  ),
  STREAM_DEADLINE_MS: v.pipe(
    v.optional(v.string(), "10000"),
    v.transform(Number),
    v.safeInteger(),
    v.minValue(100),
    v.maxValue(MAX_DEADLINE_MS),
  ),
  ALLOW_LOOPBACK: v.pipe(optionalText, v.picklist(["", "true", "false"])),
});

/** Names of the settings that describe the upstream `default`. */
export function upstreamSettings(): readonly string[] {
  return Object.keys(upstreamEnvironment.entries);
}

/** Names of all settings. */
export function allSettings(): readonly string[] {
  return Object.keys(environment.entries);
}

/** Reads the Worker's variables and secrets; `dependencies.ts` reads the bindings. Throws a `ConfigError`. */
export function parseConfig(env: object): Config {
  const settings = parse(environment, env);
  const allowLoopback = settings.ALLOW_LOOPBACK === "true";
  const defaultUpstream = toUpstream(settings, allowLoopback);
  return {
    operatorToken: settings.OPERATOR_TOKEN,
    grantKeys: settings.GRANT_KEYS,
    masterKeys: settings.MASTER_KEYS,
    ...(defaultUpstream && { defaultUpstream }),
    registryCacheSeconds: settings.REGISTRY_CACHE_SECONDS,
    streamDeadlineMs: settings.STREAM_DEADLINE_MS,
    allowLoopback,
  };
}

/**
 * Reads the upstream `default` only, for tools that need no other setting; they run on the developer's machine, so loopback is
 * allowed. Throws a `ConfigError`.
 */
export function parseDefaultUpstream(env: object): Upstream | undefined {
  return toUpstream(parse(upstreamEnvironment, env), true);
}

function parse<Settings>(schema: v.GenericSchema<unknown, Settings>, env: object): Settings {
  const parsed = v.safeParse(schema, env);
  if (parsed.success) return parsed.output;
  const wrong = parsed.issues.map(
    (issue) => `${v.getDotPath(issue)} ${issue.received === "undefined" ? "is not set" : issue.message}`,
  );
  throw new ConfigError(`Configuration: ${wrong.join("; ")}.`);
}

function toUpstream(settings: v.InferOutput<typeof upstreamEnvironment>, allowLoopback: boolean): Upstream | undefined {
  const {
    STREAM_API_TOKEN: token,
    STREAM_API_EMAIL: email,
    STREAM_API_KEY: key,
    STREAM_ACCOUNT_ID: accountId,
  } = settings;
  if (!accountId && !token && !email && !key) return undefined;
  if (!accountId) throw new ConfigError("Configuration: STREAM_ACCOUNT_ID is not set.");
  if (token ? Boolean(email || key) : !(email && key))
    throw new ConfigError("Configuration: set either STREAM_API_TOKEN, or both STREAM_API_EMAIL and STREAM_API_KEY.");
  const hosts = settings.STREAM_UPLOAD_HOSTS.map((host) => `https://${host}`);
  if (![settings.STREAM_API_BASE, ...hosts].every((url) => isFetchableUrl(url, allowLoopback)))
    throw new ConfigError("Configuration: STREAM_API_BASE and STREAM_UPLOAD_HOSTS must be https and public names.");
  return {
    id: DEFAULT_UPSTREAM,
    accountId,
    apiBase: settings.STREAM_API_BASE.replace(/\/+$/, ""),
    uploadHosts: settings.STREAM_UPLOAD_HOSTS,
    callsPerWindow: settings.STREAM_CALLS_PER_WINDOW,
    maxUploadBytes: settings.STREAM_MAX_UPLOAD_BYTES,
    maxVideoSeconds: settings.STREAM_MAX_VIDEO_SECONDS,
    credential: token ? { kind: "token", token } : { kind: "key", email, key },
    webhookSecrets: settings.STREAM_WEBHOOK_SECRETS,
  };
}

function splitHosts(text: string): string[] {
  return splitList(text).map((host) => host.toLowerCase());
}

function splitList(text: string): string[] {
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}
