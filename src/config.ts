import * as v from "valibot";
import { DEFAULT_CALLS_PER_WINDOW, MAX_CALLS_PER_WINDOW } from "./core/budget/rules/call-window.ts";
import { isSafeUrl } from "./core/shared/safe-url.ts";
import type { Upstream } from "./core/stream/rules/upstream.ts";
import { DEFAULT_UPSTREAM } from "./core/shared/tenant.ts";
import {
  MAX_WEBHOOK_SECRETS,
  STREAM_API_BASE,
  STREAM_UPLOAD_HOSTS,
  WEBHOOK_SECRET,
} from "./core/stream/rules/defaults.ts";

/** The Worker's settings, checked. What is missing or malformed stops every request: see `ConfigError`. */
export interface Config {
  readonly operatorToken: string;
  /** Sign and verify grants. */
  readonly grantKeys: KeyRing;
  /** Seal the credentials that the registry keeps. */
  readonly masterKeys: KeyRing;
  /** The upstream `default`; undefined where the environment has none and the operator adds upstreams by the API. */
  readonly defaultUpstream?: Upstream;
  /** How old what a request is decided by may be, at most. */
  readonly registryCacheSeconds: number;
  /** Milliseconds that a creation waits for Stream. */
  readonly streamDeadlineMs: number;
  /** For development: http and loopback addresses count as safe. */
  readonly allowLoopback: boolean;
}

/** Named keys, so that they can be rotated: the first signs or seals, all verify or open. */
export type KeyRing = readonly [RingKey, ...RingKey[]];

export interface RingKey {
  readonly id: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Says which setting is wrong, never what it holds. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** HMAC-SHA256 and AES-256 both take 256 bits. */
const RING_KEY_BYTES = 32;
const RING_KEY = /^([A-Za-z0-9_-]{1,32}):([A-Za-z0-9+/]{43}=)$/;
/** Of the operator's token: not to be guessed, and not "changeme". */
const MIN_OPERATOR_TOKEN_CHARACTERS = 16;
const MAX_CACHE_SECONDS = 300;

/**
 * For one call to Stream. A creation whose client has left is ended by the platform after 30 seconds, in which the ledger has
 * to be told, too; an alarm after 15 minutes, in which the search for a lost video may take 20 calls.
 */
const MAX_DEADLINE_MS = 20_000;

const keyRing = v.pipe(
  v.string(),
  v.transform((text) => text.split(",").map((part) => RING_KEY.exec(part.trim()))),
  v.check(
    (matches) => matches.every((match) => match !== null),
    `must be "<id>:<base64 of ${RING_KEY_BYTES} bytes>", several joined by commas`,
  ),
  v.transform((matches) =>
    matches.map((match) => ({ id: match?.[1] ?? "", bytes: Uint8Array.fromBase64(match?.[2] ?? "") })),
  ),
  v.check((keys) => new Set(keys.map(({ id }) => id)).size === keys.length, "must not name a key twice"),
  v.transform((keys) => keys as unknown as KeyRing),
);

/** What goes into a header. */
const PRINTABLE = /^[\x21-\x7e]*$/;

const optionalText = v.optional(v.pipe(v.string(), v.trim()), "");
const credential = v.pipe(optionalText, v.regex(PRINTABLE, "must be printable ASCII without blanks"));

const environment = v.object({
  OPERATOR_TOKEN: v.pipe(
    v.string(),
    v.minLength(MIN_OPERATOR_TOKEN_CHARACTERS, "must have 16 characters or more"),
    v.regex(PRINTABLE, "must be printable ASCII without blanks"),
  ),
  GRANT_KEYS: keyRing,
  MASTER_KEYS: keyRing,
  STREAM_API_BASE: v.optional(v.pipe(v.string(), v.trim(), v.url()), STREAM_API_BASE),
  STREAM_UPLOAD_HOSTS: v.optional(
    v.pipe(v.string(), v.transform(splitHosts), v.minLength(1, "must name a host")),
    STREAM_UPLOAD_HOSTS,
  ),
  STREAM_ACCOUNT_ID: v.pipe(optionalText, v.regex(/^[\w-]{0,32}$/, "must be an account id of at most 32 characters")),
  STREAM_CALLS_PER_WINDOW: v.pipe(
    v.optional(v.string(), String(DEFAULT_CALLS_PER_WINDOW)),
    v.transform(Number),
    v.integer(),
    v.minValue(1),
    v.maxValue(MAX_CALLS_PER_WINDOW),
  ),
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
  REGISTRY_CACHE_SECONDS: v.pipe(
    v.optional(v.string(), "10"),
    v.transform(Number),
    v.integer(),
    v.minValue(0),
    v.maxValue(MAX_CACHE_SECONDS),
  ),
  STREAM_DEADLINE_MS: v.pipe(
    v.optional(v.string(), "10000"),
    v.transform(Number),
    v.integer(),
    v.minValue(100),
    v.maxValue(MAX_DEADLINE_MS),
  ),
  ALLOW_LOOPBACK: v.pipe(optionalText, v.picklist(["", "true", "false"])),
});

/** Reads the Worker's variables and secrets; bindings are left to `dependencies.ts`. Throws a `ConfigError`. */
export function parseConfig(env: object): Config {
  const parsed = v.safeParse(environment, env);
  if (!parsed.success) {
    const wrong = parsed.issues.map(
      (issue) => `${v.getDotPath(issue)} ${issue.received === "undefined" ? "is not set" : issue.message}`,
    );
    throw new ConfigError(`Configuration: ${wrong.join("; ")}.`);
  }
  const settings = parsed.output;
  const allowLoopback = settings.ALLOW_LOOPBACK === "true";
  const defaultUpstream = parseDefaultUpstream(settings);
  if (defaultUpstream && !isSafeUrl(defaultUpstream.apiBase, allowLoopback))
    throw new ConfigError(
      "Configuration: STREAM_API_BASE must be https (http only for loopback, with ALLOW_LOOPBACK).",
    );
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

function parseDefaultUpstream(settings: v.InferOutput<typeof environment>): Upstream | undefined {
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
  return {
    id: DEFAULT_UPSTREAM,
    accountId,
    apiBase: settings.STREAM_API_BASE.replace(/\/+$/, ""),
    uploadHosts: settings.STREAM_UPLOAD_HOSTS,
    callsPerWindow: settings.STREAM_CALLS_PER_WINDOW,
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
