import { type Problem, problem } from "../../shared/problem.ts";
import { type Result, err, ok } from "../../shared/result.ts";
import { parseTimestamp } from "../../shared/time.ts";
import type { UploadBounds } from "../../quota/rules/upload-bounds.ts";
import type { VideoJson } from "../../stream/rules/video-document.ts";
import {
  MAX_METADATA_HEADER_CHARACTERS,
  MAX_METADATA_KEYS,
  encodeUploadMetadata,
} from "../../uploads/rules/upload-metadata.ts";
import { rulesFor } from "./apply.ts";
import { customKeysOf, customRules, spellingOf } from "./decide-custom-key.ts";
import { type KeyChange, decideEditedKey, decideTouchedKey } from "./decide-edited-key.ts";
import { normalizeName } from "./normalize-text.ts";
import { METADATA_KEYS } from "./metadata-keys.ts";
import type { KeyDecision } from "./decide-key.ts";
import type { Explanation } from "./policy-decision.ts";
import { type Policy, tenantDocument } from "./policy.ts";
import { RESERVED_KEYS } from "./reserved-keys.ts";
import type { AnyRule, Context } from "./rule.ts";
import { CUSTOM_KEY } from "./text-keys.ts";

/** What an edit does to metadata. */
export interface EditedMetadata {
  /** What it sets, and what it removes (`null`), by lower-case key. */
  readonly changes: ReadonlyMap<string, string | null>;
  /** It also removes all of `meta` that its caller may set. */
  readonly clearsMeta?: true;
}

/** What the decision about an edit depends on, beside the policy and the edit. Times are seconds since the epoch. */
export interface EditContext {
  /** When the upload was created: the durations of a policy count from then on, also in an edit. */
  readonly created: number;
  /** Bytes of the upload. */
  readonly length: number;
  readonly bounds: UploadBounds;
  readonly now: number;
}

export interface EditResult<T> {
  readonly result: Result<T>;
  /** One line per key that changes or is refused. */
  readonly explanations: readonly Explanation[];
}

/** What changes of an upload whose bytes have not arrived. */
export interface PendingChange {
  /** `maxDurationSeconds`. */
  readonly seconds?: number;
  /** Expiry of the upload URL, in seconds since the epoch. */
  readonly expires?: number;
}

/** What changes of a video at Stream. */
export interface VideoChange {
  /** Stream's options by policy key; an absent text removes the option. */
  readonly options: ReadonlyMap<EditedOption, string | undefined>;
  /** The whole of it, without the reserved keys; absent if nothing of it changes. */
  readonly meta?: VideoJson;
}

/** Options of a video as a policy names them, in the order in which they are decided. */
export const OPTIONS = ["requiresignedurls", "allowedorigins", "thumbnailtimestamppct", "scheduleddeletion"] as const;

export type EditedOption = (typeof OPTIONS)[number];

/**
 * Decides duration and expiry, as far as the edit touches them: both concern an upload only until its bytes have arrived.
 *
 * @param expires of the upload now. To send that back is no change: by its own clock, the creation may have been at a bound.
 */
export function decidePendingEdit(
  policy: Policy,
  { changes }: EditedMetadata,
  context: EditContext,
  expires: number,
): EditResult<PendingChange> {
  const decisions = decideKeys(policy, context);
  const seconds = decisions.decideTouched("maxdurationseconds", changes);
  const isSentBack = parseTimestamp(changes.get("expiry") ?? "") === expires;
  const expiry = isSentBack ? undefined : decisions.decideTouched("expiry", changes);
  return decisions.end({
    ...(seconds !== undefined && { seconds: Number(seconds) }),
    ...(isSentBack && { expires }),
    ...(expiry !== undefined && { expires: Number(parseTimestamp(expiry)) }),
  });
}

/**
 * Decides everything else. The outcome, what Stream has with the edit merged into it, satisfies the policy as a creation with this
 * metadata does, or the edit is refused. Watermark, length and file type are settled by then.
 *
 * @param current Stream's options by policy key, those that are set
 * @param meta of the video at Stream
 */
export function decideVideoEdit(
  policy: Policy,
  { changes, clearsMeta }: EditedMetadata,
  context: EditContext,
  current: ReadonlyMap<string, string>,
  meta: VideoJson,
): EditResult<VideoChange> {
  const decisions = decideKeys(policy, context);
  const options = new Map<EditedOption, string | undefined>();
  for (const key of OPTIONS) {
    const decision = decisions.decide(key, rulesFor(policy, key), changes.get(key), current.get(key));
    if (decision) options.set(key, decision.text);
  }

  const before = Object.entries(meta).filter(([key]) => !RESERVED_KEYS.has(key));
  const keys = new Map([...before.map(([key]) => key.toLowerCase()), ...changes.keys()].map((key) => [key, ""]));
  const changed = new Map<string, readonly [spelling: string, text: string | undefined]>();
  for (const key of [NAME, ...customKeysOf(policy, { metadata: keys })]) {
    const spelling = key === NAME ? key : spellingOf(policy, key);
    const rules = key === NAME ? rulesFor(policy, key) : customRules(policy, key, changes.get(key) ?? "");
    const written = before.find(([own]) => own === spelling) ?? before.find(([own]) => own.toLowerCase() === key);
    const isCleared = clearsMeta && written && rules.every(({ deny }) => deny === undefined);
    const sent = changes.get(key);
    const change = (sent === undefined && isCleared) || isNoName(key, sent) ? null : sent;
    const current = textOf(written?.[1]);
    const decision = decisions.decide(spelling, rules, change, isNoName(key, current) ? undefined : current);
    if (decision) changed.set(key, [spelling, decision.text]);
  }
  const after = before.filter(([key]) => !changed.has(key.toLowerCase()));
  for (const [spelling, text] of changed.values()) if (text !== undefined) after.push([spelling, text]);
  if ([...changed.keys()].some((key) => typeof changes.get(key) === "string")) decisions.refuse(metaTooLarge(after));
  return decisions.end({ options, ...(changed.size > 0 && { meta: Object.fromEntries(after) }) });
}

const NAME = "name";

/** Nothing but control characters is no name, as in a creation. */
function isNoName(key: string, text: KeyChange): boolean {
  return key === NAME && typeof text === "string" && normalizeName(text) === "";
}

/** How a policy reads a value of Stream's `meta`, which other systems may have written. */
function textOf(value: unknown): string | undefined {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean"
    ? String(value)
    : undefined;
}

/** No edit makes metadata that a creation could not have, however many follow one another. */
function metaTooLarge(meta: readonly (readonly [string, unknown])[]): Problem | undefined {
  const texts = meta.filter((entry): entry is readonly [string, string] => typeof entry[1] === "string");
  return texts.length > MAX_METADATA_KEYS || encodeUploadMetadata(texts).length > MAX_METADATA_HEADER_CHARACTERS
    ? problem(
        "upload_metadata_too_large",
        `meta must have at most ${MAX_METADATA_KEYS} keys, and ${MAX_METADATA_HEADER_CHARACTERS} characters in Upload-Metadata.`,
        { key: "meta" },
      )
    : undefined;
}

/** Decides keys one by one, and explains them; the first refusal is the result. */
function decideKeys(policy: Policy, { created, length, bounds, now }: EditContext) {
  const context: Context = { now: created, length, bounds };
  const explanations: Explanation[] = [];
  let refusal = tenantDocument(policy).conflict;
  const keyOf = (key: string, rules: readonly AnyRule[]) => {
    const { type } = METADATA_KEYS.get(key) ?? CUSTOM_KEY;
    return { key, type, rules, context };
  };
  const report = (decision: KeyDecision | undefined) => {
    if (decision) explanations.push(decision.explanation);
    refusal ??= decision?.refusal;
    return decision;
  };
  return {
    /** @param current the text that Stream has. @returns `undefined` if nothing changes */
    decide: (key: string, rules: readonly AnyRule[], change: KeyChange, current: string | undefined) =>
      report(decideEditedKey({ ...keyOf(key, rules), change, current }, now)),
    /** @returns the text of a key that the edit touches */
    decideTouched: (key: string, changes: EditedMetadata["changes"]) =>
      report(decideTouchedKey(keyOf(key, rulesFor(policy, key)), changes.get(key), now))?.text,
    refuse(problem: Problem | undefined): void {
      refusal ??= problem;
    },
    end: <T>(change: T): EditResult<T> => ({ result: refusal ? err(refusal) : ok(change), explanations }),
  };
}
