import { isJsonObject } from "../../shared/json.ts";
import type { UploadBounds } from "../../quota/rules/upload-bounds.ts";
import { findContradiction } from "./contradiction.ts";
import type { InheritableMember, PolicyDocument } from "./policy.ts";

/**
 * Combines a plan's document with that of a tenant on the plan. What the tenant names replaces the plan's entry, and `null` removes
 * it. An entry is a member of `upload`, a key of `metadata` or `custom` (`*` too), `creator` or `origins`, as a whole.
 *
 * A combination that contradicts itself refuses every creation, by `conflict`: the tenant itself stays usable.
 */
export function combineDocuments(plan: PolicyDocument, own: PolicyDocument, bounds: UploadBounds): PolicyDocument {
  const named = valuesOf(own.json);
  const ofPlan = valuesOf(plan.json);
  const isInherited = (entry: string) => !named.has(entry);
  const from = (entry: string) => (isInherited(entry) ? plan : own);
  const inherited = new Set(MEMBERS.filter((member) => isInherited(member) && ofPlan.has(member)));

  const customKeys = named.get(keyEntry("*")) === null ? undefined : from(keyEntry("*")).customKeys;
  const rules = new Map([...plan.rules].filter(([key]) => isInherited(keyEntry(key))));
  for (const [key, rule] of own.rules) if (named.get(keyEntry(key)) !== null) rules.set(key, rule);
  const spellings = new Map(
    [...plan.spellings, ...own.spellings].filter(([key]) => rules.has(key) || customKeys?.allow.has(key)),
  );

  const { fileTypes } = from("upload.fileTypes").upload;
  const { creator } = from("creator");
  const { origins } = from("origins");
  const combined: PolicyDocument = {
    source: "policy",
    json: combineJson(plan.json, own.json),
    upload: {
      minBytes: from("upload.minBytes").upload.minBytes,
      maxBytes: from("upload.maxBytes").upload.maxBytes,
      ...(fileTypes && { fileTypes }),
    },
    rules,
    spellings,
    ...(customKeys && { customKeys }),
    ...(creator && { creator }),
    ...(origins && { origins }),
    inherited,
  };
  const conflict = findContradiction([combined], ANY_KEY, bounds);
  return conflict ? { ...combined, conflict } : combined;
}

/** Of all callers the freest: an API key may choose its creator. */
const ANY_KEY = { tenant: "any", kind: "api-key" } as const;

const MEMBERS = [
  "upload.minBytes",
  "upload.maxBytes",
  "upload.fileTypes",
  "creator",
  "origins",
] as const satisfies InheritableMember[];

/** Keys are compared without case, and version 0.1 had custom keys under `metadata`. */
function keyEntry(key: string): string {
  return `key ${key.toLowerCase()}`;
}

interface Entry {
  readonly entry: string;
  readonly member: string;
  /** Of a member of the member; absent for `creator` and `origins`. */
  readonly name?: string;
  readonly value: unknown;
}

/** @param json a document that was read: its members are objects where they should be */
function* entriesOf(json: unknown): Generator<Entry> {
  for (const [member, value] of Object.entries(json as object) as [string, unknown][])
    if (member === "creator" || member === "origins") yield { entry: member, member, value };
    else
      for (const [name, inner] of Object.entries(value as object) as [string, unknown][])
        yield { entry: member === "upload" ? `upload.${name}` : keyEntry(name), member, name, value: inner };
}

function valuesOf(json: unknown): ReadonlyMap<string, unknown> {
  return new Map([...entriesOf(json)].map(({ entry, value }) => [entry, value]));
}

/** The text of a combination: it says the same as the combined document, if it can be parsed. */
export function combineJson(plan: unknown, own: unknown): unknown {
  const entries = new Map<string, Entry>();
  for (const json of [plan, own]) for (const one of entriesOf(json)) entries.set(one.entry, one);
  const combined: Record<string, unknown> = {};
  for (const { member, name, value } of entries.values())
    if (value === null) continue;
    else if (name === undefined) combined[member] = value;
    else combined[member] = { ...(combined[member] as object | undefined), [name]: value };
  return combined;
}

/** A document without the entries that are `null`, and whether there are any. A rule stays, as `{}`: its key is checked. */
export function takeRemovals(json: unknown): { readonly kept: unknown; readonly removes: boolean } {
  let removes = false;
  const take = (members: unknown, isRemovable: (name: string) => boolean, instead?: object): unknown =>
    isJsonObject(members)
      ? Object.fromEntries(
          Object.entries(members).flatMap(([name, value]) => {
            if (value !== null || !isRemovable(name)) return [[name, value]];
            removes = true;
            return instead ? [[name, instead]] : [];
          }),
        )
      : members;
  const kept = take(json, (name) => name === "creator" || name === "origins");
  if (!isJsonObject(kept)) return { kept, removes };
  const { upload, metadata, custom } = kept;
  return {
    kept: {
      ...kept,
      ...(upload !== undefined && {
        upload: take(upload, (name) => MEMBERS.some((member) => member === `upload.${name}`)),
      }),
      ...(metadata !== undefined && { metadata: take(metadata, () => true, {}) }),
      ...(custom !== undefined && { custom: take(custom, () => true, {}) }),
    },
    removes,
  };
}
