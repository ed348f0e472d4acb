import { createPrivateKey, createPublicKey } from "node:crypto";
import { isIP } from "node:net";
import { type JWTPayload, SignJWT, errors, jwtVerify } from "jose";
import type { AccessRule } from "./access-rules.ts";
import type { SigningKey, SigningKeys } from "./signing-keys.ts";
import { RuleBroken, demand, readFields } from "./values.ts";

/** What a playback token says. [C] */
export interface TokenClaims {
  /** Uid of the video. */
  readonly sub: string;
  /** Also in the header. */
  readonly kid: string;
  /** Seconds since the epoch. */
  readonly exp: number;
  readonly nbf?: number;
  readonly downloadable?: boolean;
  readonly accessRules?: readonly AccessRule[];
  readonly flags?: Readonly<Record<string, boolean>>;
}

/** A valid body of `POST /:uid/token`. */
export interface TokenRequest {
  readonly claims: Omit<TokenClaims, "sub" | "kid">;
  /** The key to sign with: an id of the account's, and the key itself. */
  readonly key?: { readonly id: string; readonly pem: string };
}

const HOUR_SECONDS = 3_600;
/** "The maximum time specification is 24 hours from issuing time." [C] */
const MAX_TOKEN_SECONDS = 24 * HOUR_SECONDS;
/** "A token may have at most 5 members in the accessRules array." [C] */
const MAX_RULES = 5;

const FIELDS = ["id", "pem", "exp", "nbf", "downloadable", "accessRules", "flags"];

/** Throws `RuleBroken`. @param now seconds since the epoch */
export function readTokenRequest(json: unknown, now: number): TokenRequest {
  const body = readFields(json, "the body", FIELDS);
  const { id, pem, downloadable, accessRules, flags } = body;
  const { exp = now + HOUR_SECONDS, nbf = now - HOUR_SECONDS } = body; // [C]
  demand((id === undefined) === (pem === undefined), "id and pem need each other"); // [C]
  demand(id === undefined || typeof id === "string", "id must be text");
  demand(pem === undefined || typeof pem === "string", "pem must be text");
  demand(isInteger(exp) && exp > now, "exp must be a time ahead, in whole seconds"); // that it is ahead [U]
  demand(exp <= now + MAX_TOKEN_SECONDS, "exp must be at most 24 hours ahead"); // [C]
  demand(isInteger(nbf) && nbf < exp, "nbf must be a time before exp, in whole seconds"); // that it is before exp [U]
  demand(downloadable === undefined || typeof downloadable === "boolean", "downloadable must be true or false");
  if (flags !== undefined) {
    const { original } = readFields(flags, "flags", ["original"]);
    demand(original === undefined || typeof original === "boolean", "flags.original must be true or false");
  }
  return {
    ...(id !== undefined && pem !== undefined && { key: { id, pem } }),
    claims: {
      exp,
      nbf,
      ...(downloadable !== undefined && { downloadable }),
      ...(accessRules !== undefined && { accessRules: readAccessRules(accessRules) }),
      ...(flags !== undefined && { flags: flags as Readonly<Record<string, boolean>> }),
    },
  };
}

function isInteger(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

/** Names and types [C]; that a list for another type is refused [U]. */
function readAccessRules(value: unknown): readonly AccessRule[] {
  demand(Array.isArray(value), "accessRules must be a list");
  demand(value.length <= MAX_RULES, `accessRules has at most ${MAX_RULES} members`);
  return value.map((rule: unknown) => {
    const { type, action, country, ip } = readFields(rule, "an access rule", ["type", "action", "country", "ip"]);
    demand(type === "any" || type === "ip.src" || type === "ip.geoip.country", "an access rule has no such type");
    demand(action === "allow" || action === "block", "the action of an access rule must be allow or block");
    const [countries, addresses] = [listOf(country, isCountry, "country"), listOf(ip, isRange, "ip")];
    demand((countries !== undefined) === (type === "ip.geoip.country"), "country belongs to ip.geoip.country");
    demand((addresses !== undefined) === (type === "ip.src"), "ip belongs to ip.src");
    return { type, action, ...(countries && { country: countries }), ...(addresses && { ip: addresses }) };
  });
}

function listOf(value: unknown, is: (text: string) => boolean, name: string): readonly string[] | undefined {
  if (value === undefined) return undefined;
  const isList = Array.isArray(value) && value.every((text: unknown) => typeof text === "string" && is(text));
  demand(isList, `${name} of an access rule is not a list of its kind`);
  return value as readonly string[];
}

function isCountry(text: string): boolean {
  return /^[A-Z]{2}$/.test(text);
}

/** An address, or a range in CIDR notation. */
function isRange(text: string): boolean {
  const [address = "", prefix, ...more] = text.split("/");
  const family = isIP(address);
  const isPrefix = prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128));
  return family !== 0 && isPrefix && more.length === 0;
}

export function signToken(key: SigningKey, sub: string, claims: TokenRequest["claims"]): Promise<string> {
  return new SignJWT({ sub, kid: key.id, ...claims })
    .setProtectedHeader({ alg: "RS256", kid: key.id })
    .sign(createPrivateKey(key.pem));
}

/**
 * Verifies the signature by the key that the header names, `exp` and `nbf`, and that the account, which may have signed it itself, has
 * kept the rules for tokens. An `exp` is required. [U]
 *
 * @param now milliseconds since the epoch
 * @returns `undefined` if the token is not valid
 */
export async function verifyToken(token: string, keys: SigningKeys, now: number): Promise<TokenClaims | undefined> {
  try {
    const { payload, protectedHeader } = await jwtVerify(
      token,
      ({ kid = "" }) => {
        const key = keys.get(kid);
        if (!key) throw new errors.JWKSNoMatchingKey();
        return createPublicKey(key.pem);
      },
      { algorithms: ["RS256"], requiredClaims: ["sub", "exp"], currentDate: new Date(now) },
    );
    return readClaims(payload, protectedHeader.kid, Math.floor(now / 1_000));
  } catch (error) {
    if (error instanceof errors.JOSEError || error instanceof RuleBroken) return undefined;
    throw error;
  }
}

/** The rules are [C], that the playback host checks them is [U]. Throws `RuleBroken`. @param now seconds since the epoch */
function readClaims({ sub, kid, exp, downloadable, accessRules }: JWTPayload, ofHeader: unknown, now: number) {
  demand(typeof sub === "string" && kid === ofHeader, "kid must also be in the header");
  demand(isInteger(exp) && exp <= now + MAX_TOKEN_SECONDS, "exp must be at most 24 hours ahead");
  demand(downloadable === undefined || typeof downloadable === "boolean", "downloadable must be true or false");
  return {
    sub,
    kid,
    exp,
    ...(downloadable !== undefined && { downloadable }),
    ...(accessRules !== undefined && { accessRules: readAccessRules(accessRules) }),
  } as TokenClaims;
}
