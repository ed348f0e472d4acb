import { isJsonObject } from "../../shared/json.ts";
import { type Scope, SCOPES_BY_NAME } from "./scopes.ts";

/** The claims of a token: JSON of somebody else. Only its own members count, never those of a prototype. */
export type Claims = Readonly<Record<string, unknown>>;

/** @param path a name, taken whole, or a JSON Pointer (RFC 6901), which begins with "/" */
export function claimOf(claims: unknown, path: string): unknown {
  if (!path.startsWith("/")) return memberOf(claims, path);
  const names = path.slice(1).split("/");
  return names.reduce((value, name) => memberOf(value, name.replaceAll("~1", "/").replaceAll("~0", "~")), claims);
}

/** RFC 6901 section 4: a member of a list is named by its index, without leading zeros. */
function memberOf(value: unknown, name: string): unknown {
  const isNamed = Array.isArray(value) ? /^(?:0|[1-9]\d*)$/.test(name) : isJsonObject(value);
  return isNamed && Object.hasOwn(value as object, name) ? (value as Claims)[name] : undefined;
}

/**
 * The value of a claim that names a tenant or a subject: text or a number, or a list of exactly one. Numbers that JavaScript
 * rounds, and lone surrogates, which UTF-8 replaces, would make two values one.
 *
 * @returns `undefined` if it is something else, or empty
 */
export function nameOf(value: unknown): string | undefined {
  const [name, ...others]: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (others.length > 0) return undefined;
  if (typeof name === "string") return name.isWellFormed() && name !== "" ? name : undefined;
  return Number.isSafeInteger(name) ? String(name) : undefined;
}

/** The first of the claims that is not empty. */
export function firstClaim(claims: Claims, paths: readonly string[]): unknown {
  return paths.map((path) => claimOf(claims, path)).find((value) => !isEmpty(value));
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || value === "" || (Array.isArray(value) && value.length === 0);
}

/** Whether a claim, or a member of it, equals one of the values. Types count. */
export function hasValue(claims: Claims, path: string, values: readonly unknown[]): boolean {
  return listOf(claimOf(claims, path)).some((value) => values.includes(value));
}

/** Scopes from a claim: text is split at blanks, a list is taken as it is. With a map, only what it names counts. */
export function scopesFrom(value: unknown, map?: Readonly<Record<string, readonly Scope[]>>): ReadonlySet<Scope> {
  const names = typeof value === "string" ? value.split(/\s+/) : listOf(value);
  return new Set(
    names.flatMap((name) => {
      if (map) return typeof name === "string" && Object.hasOwn(map, name) ? (map[name] ?? []) : [];
      return SCOPES_BY_NAME.filter((scope) => scope === name);
    }),
  );
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value];
}
