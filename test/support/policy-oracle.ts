import type { Decision, PolicyRequest } from "../../src/core/policy/rules/policy-decision.ts";

/**
 * Checks a decision against the JSON of a policy document, without any code of `src`.
 *
 * @param other another document that is applied too, and may set what this one denies to clients
 * @returns the violations; empty if the document allows the decision
 */
export function violations(
  json: Record<string, unknown>,
  decision: Decision,
  request: PolicyRequest,
  other: Record<string, unknown> = {},
): string[] {
  const found: string[] = [];
  const otherRules = rulesOf(other);
  const rules = rulesOf(json);
  const { upload = {} } = json as { upload?: { minBytes?: number; maxBytes?: number } };
  if (decision.length < (upload.minBytes ?? 0) || decision.length > (upload.maxBytes ?? Infinity)) found.push("length");

  for (const [key, rule] of Object.entries(rules)) {
    if (key === "*") continue;
    const value = decision.metadata.get(key);
    for (const violation of violationsOf(key, rule, value, request.now)) found.push(`${key} ${violation}: ${value}`);
    const sent = request.metadata.get(key.toLowerCase());
    const requested = typeof sent === "string" ? normal(key, sent) : undefined;
    const setBy = [rule, otherRules[key]].flatMap((one) => (one ? settings(one) : [])).map((text) => normal(key, text));
    if (rule.deny && value !== undefined && value === requested && !setBy.includes(value)) found.push(`${key} deny`);
  }

  const custom: { allow?: string[]; maxLength?: number } | undefined = rules["*"];
  for (const [key, value] of decision.metadata) {
    if (value !== normal(key, value)) found.push(`${key} is not normal: ${JSON.stringify(value)}`);
    if (value.includes("%undecodable%")) found.push(`${key} was not decoded`);
    if (value === "" && STREAM_KEYS.has(key) && key !== "requiresignedurls") found.push(`${key} is empty`);
    if (STREAM_KEYS.has(key) || key in rules || !custom) continue;
    if (!custom.allow?.includes(key)) found.push(`${key} is not allowed`);
    if ([...value].length > (custom.maxLength ?? Infinity)) found.push(`${key} is too long for *`);
  }
  return found;
}

/** A text in NFC; a name and a custom key without control characters, a custom key with tab and line feed. */
function normal(key: string, text: string): string {
  if (STREAM_KEYS.has(key) && key !== "name") return text;
  const isLine = (character: string) => key !== "name" && (character === "\t" || character === "\n");
  const isControl = (code: number) =>
    code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x202a && code <= 0x202e);
  const kept = [...text].filter((character) => isLine(character) || !isControl(character.codePointAt(0) ?? 0));
  return kept.join("").normalize("NFC");
}

function rulesOf({ metadata, custom }: Record<string, unknown>): Record<string, Rule> {
  return { ...(metadata as object), ...(custom as object) };
}

export const STREAM_KEYS = new Set([
  "name",
  "maxdurationseconds",
  "requiresignedurls",
  "allowedorigins",
  "thumbnailtimestamppct",
  "watermark",
  "scheduleddeletion",
  "expiry",
]);

interface Rule {
  readonly force?: unknown;
  readonly default?: unknown;
  readonly required?: boolean;
  readonly deny?: boolean;
  readonly min?: number | string;
  readonly max?: number | string;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly oneOf?: (string | number)[];
  readonly within?: string[];
  /** For `*` only. */
  readonly allow?: string[];
}

function* violationsOf(key: string, rule: Rule, value: string | undefined, now: number): Generator<string> {
  const time = key === "expiry" || key === "scheduleddeletion";
  if (value === undefined) {
    if (rule.required || (rule.force !== undefined && rule.force !== false)) yield "is missing";
    if (rule.within) yield "is missing, so anywhere";
    if (time && rule.max !== undefined) yield "is missing, so never";
    return;
  }
  if (rule.force === false) yield "force false";
  if (rule.force !== undefined && !time && typeof rule.force !== "boolean") {
    const forced = Array.isArray(rule.force) ? rule.force.join(",") : String(rule.force);
    if (value !== normal(key, forced)) yield "force";
  }
  const amount = time ? Date.parse(value) / 1000 - now : Number(value);
  const least = key === "expiry" ? 120 : 2_592_000;
  const bound = (limit: number | string) =>
    time ? seconds(String(limit)) + (seconds(String(limit)) === least ? MARGIN : 0) : Number(limit);
  if (time && rule.force !== undefined && rule.force !== "auto" && amount !== bound(String(rule.force))) yield "force";
  if (rule.min !== undefined && !(amount >= bound(rule.min))) yield "min";
  if (rule.max !== undefined && !(amount <= bound(rule.max))) yield "max";
  if (rule.maxLength !== undefined && [...value].length > rule.maxLength) yield "maxLength";
  if (rule.pattern !== undefined && !new RegExp(`^(?:${rule.pattern})$`, "u").test(value)) yield "pattern";
  if (rule.oneOf && !rule.oneOf.map((choice) => normal(key, String(choice))).includes(value)) yield "oneOf";
  for (const host of rule.within ? value.split(",") : []) {
    const allowed = rule.within?.some(
      (pattern) =>
        pattern === host || (pattern.startsWith("*.") && host.endsWith(pattern.slice(1)) && host !== pattern.slice(1)),
    );
    if (!allowed) yield `within: ${host}`;
  }
}

function settings(rule: Rule): string[] {
  return [rule.force, rule.default]
    .filter((setting) => setting !== undefined)
    .map((setting) => (Array.isArray(setting) ? setting.join(",") : setting === true ? "" : String(setting)));
}

/** Seconds added to Stream's minimum, for the way to Stream. */
const MARGIN = 60;

/** Seconds of the durations that the tests use, without a parser. */
function seconds(duration: string): number {
  const table: Record<string, number> = {
    PT1M: 60,
    PT2M: 120,
    PT30M: 1_800,
    PT1H: 3_600,
    PT6H: 21_600,
    P1D: 86_400,
    P30D: 2_592_000,
    P60D: 5_184_000,
    P1Y: 31_536_000,
    P1096D: 94_694_400,
    P4Y: 126_144_000,
  };
  return table[duration] ?? Number.NaN;
}
