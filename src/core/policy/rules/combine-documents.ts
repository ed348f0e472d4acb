import type { UploadBounds } from "../../quota/rules/upload-bounds.ts";
import { findContradiction } from "./contradiction.ts";
import type { PolicyDocument } from "./policy.ts";

/**
 * Combines a plan's document with that of a tenant on the plan. What the tenant names replaces the plan's entry, and `null` removes
 * it. An entry is a member of `upload` or `playback`, a key of `metadata` or `custom` (`*` too), `creator`, `origins` or `features`, as
 * a whole.
 *
 * A combination that contradicts itself refuses every creation, by `conflict`: the tenant itself stays usable.
 */
export function combineDocuments(plan: PolicyDocument, own: PolicyDocument, bounds: UploadBounds): PolicyDocument {
  const [planned, named] = [entriesOf(plan.json), entriesOf(own.json)];
  const from = (entry: string) => (named.has(entry) ? own : plan);
  const { customKeys } = from("*");
  const { fileTypes } = from(".upload.fileTypes").upload;
  const { creator } = from(".creator");
  const { origins } = from(".origins");
  const { features } = from(".features");
  const playback = Object.entries(plan.playback).filter(([member]) => !named.has(`.playback.${member}`));
  const rules = new Map([...[...plan.rules].filter(([key]) => !named.has(key)), ...own.rules]);
  const combined: PolicyDocument = {
    source: "policy",
    json: combineJson(plan.json, own.json),
    upload: {
      minBytes: from(".upload.minBytes").upload.minBytes,
      maxBytes: from(".upload.maxBytes").upload.maxBytes,
      ...(fileTypes && { fileTypes }),
    },
    rules,
    spellings: new Map(
      [...plan.spellings, ...own.spellings].filter(([key]) => rules.has(key) || customKeys?.allow.has(key)),
    ),
    ...(customKeys && { customKeys }),
    ...(creator && { creator }),
    ...(origins && { origins }),
    ...(features && { features }),
    playback: { ...Object.fromEntries(playback), ...own.playback },
    inherited: new Set([...planned.keys()].filter((entry) => !named.has(entry))),
  };
  const conflict = findContradiction([combined], { tenant: "any", kind: "api-key" }, bounds);
  return conflict ? { ...combined, conflict } : combined;
}

/** The text of a combination: it says the same as the combined document, if it can be parsed. */
export function combineJson(plan: unknown, own: unknown): unknown {
  const combined: Record<string, unknown> = {};
  for (const { member, name, value } of new Map([...entriesOf(plan), ...entriesOf(own)]).values())
    if (value !== null)
      combined[member] = name === undefined ? value : { ...(combined[member] as object | undefined), [name]: value };
  return combined;
}

/** Whether a document has an entry that is null. */
export function hasRemovals(json: unknown): boolean {
  return [...entriesOf(json).values()].some(({ value }) => value === null);
}

interface Entry {
  readonly member: string;
  /** Absent: the entry is the whole member. */
  readonly name?: string;
  readonly value: unknown;
}

/** Members of a document that are one entry each. */
const WHOLE_MEMBERS = new Set(["creator", "origins", "features"]);
/** Members whose entries are rules, by key. */
const MEMBERS_OF_RULES = new Set(["metadata", "custom"]);

/**
 * The entries of a document that was read. They are named by the key in lower case, as keys are compared without case and version
 * 0.1 had custom keys under `metadata`; or by the path with a dot before it, as no key begins.
 */
function entriesOf(json: unknown): ReadonlyMap<string, Entry> {
  const entries = new Map<string, Entry>();
  for (const [member, value] of Object.entries(json as Record<string, unknown>))
    if (WHOLE_MEMBERS.has(member)) entries.set(`.${member}`, { member, value });
    else
      for (const [name, inner] of Object.entries((value ?? {}) as Record<string, unknown>))
        entries.set(MEMBERS_OF_RULES.has(member) ? name.toLowerCase() : `.${member}.${name}`, {
          member,
          name,
          value: inner,
        });
  return entries;
}
