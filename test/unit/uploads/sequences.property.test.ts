import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Decision, PolicyRequest } from "../../../src/core/policy/rules/policy-decision.ts";
import { USUAL_MAXIMA } from "../../../src/core/stream/rules/defaults.ts";
import { documents, policyRequest } from "../../support/policy-arbitraries.ts";
import { violations } from "../../support/policy-oracle.ts";
import { type Row, SequenceWorld, type Step } from "../../support/sequence-world.ts";
import { CLIP_ORIGINS, FATES, type ModelVideo } from "../../support/stream-model.ts";

const DAY = 86_400;
const RUNS = { numRuns: 2_500 };

const step: fc.Arbitrary<Step> = fc
  .tuple(
    fc.oneof(
      { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("tus", "direct", "copy") }) },
      {
        weight: 3,
        arbitrary: fc.record({ kind: fc.constant("clip"), start: fc.nat(3), end: fc.integer({ min: 1, max: 60 }) }),
      },
      { weight: 4, arbitrary: fc.record({ kind: fc.constant("edit"), removed: fc.nat(5), clearsMeta: fc.boolean() }) },
      {
        weight: 2,
        arbitrary: fc.record({ kind: fc.constant("process"), share: fc.double({ min: 0.01, max: 1, noNaN: true }) }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ kind: fc.constant("wait"), seconds: fc.oneof(fc.nat(3_600), fc.nat(40 * DAY)) }),
      },
    ),
    policyRequest,
    fc.record({ nth: fc.nat(5), keys: fc.nat(3) }),
  )
  .map(([step, { metadata, creator, length }, { nth, keys }]) => {
    // With more keys, nearly every step would be refused for one.
    const few = new Map([...metadata].slice(0, keys));
    return { ...step, metadata: few, ...(creator && { creator }), length, nth };
  });

/** What the policy forbids of a video, by the oracle; and what else no video may be. */
function faultsOf(json: Record<string, unknown>, video: ModelVideo, row: Row | undefined): string[] {
  if (!row) return ["no upload has this video"];
  const rules = { ...(json["metadata"] as object), ...(json["custom"] as object) } as Record<string, Rule>;
  const { maxdurationseconds, expiry: _, ...others } = (json["metadata"] ?? {}) as Record<string, Rule>;
  const isUpload = row.source === undefined;
  const judged = {
    ...json,
    metadata: isUpload ? json["metadata"] : others,
    ...(row.source === "clip" && { upload: {} }),
  };
  const texts = textsOf(video, rules["thumbnailtimestamppct"]);
  const decision = { length: row.bytes, metadata: texts } as Partial<Decision> as Decision;
  const request = { metadata: row.asked, now: row.created } as Partial<PolicyRequest> as PolicyRequest;
  const faults = violations(judged, decision, request);

  const most = maxdurationseconds?.force ?? maxdurationseconds?.max ?? USUAL_MAXIMA.maxVideoSeconds;
  if (row.seconds > Number(most)) faults.push(`${row.seconds} s long`);
  for (const key of ["requiresignedurls", "allowedorigins", "scheduleddeletion"])
    if (rules[key]?.default && rules[key].deny && !texts.has(key)) faults.push(`${key} has lost its default`);
  if (rules["requiresignedurls"]?.default && !texts.has("requiresignedurls")) faults.push("is no longer signed");
  const deletion = Date.parse(texts.get("scheduleddeletion") ?? "") / 1000 - row.created;
  if (deletion < 30 * DAY || deletion > 1_096 * DAY) faults.push(`deleted ${deletion} s after the creation`);
  if (video.meta["sluice"] !== `acme/${row.id}/mac`) faults.push(`has the tag ${String(video.meta["sluice"])}`);
  const { from, prefix = "" } = (json["creator"] ?? {}) as { from?: string; prefix?: string };
  const creator = video["creator"] ?? "";
  if (from === "none" && creator !== "") faults.push("has a creator");
  if (from === "tenant" && creator !== `${prefix}acme`) faults.push("has another creator than the tenant");
  if (creator !== "" && !String(creator).startsWith(prefix)) faults.push("has a creator without prefix");
  return faults;
}

interface Rule {
  readonly force?: unknown;
  readonly max?: unknown;
  readonly default?: unknown;
  readonly deny?: boolean;
  readonly required?: boolean;
}

/** The video's options and `meta` as metadata. */
function textsOf(video: ModelVideo, thumbnail: Rule | undefined): Map<string, string> {
  const { meta, requireSignedURLs, allowedOrigins, scheduledDeletion, thumbnailTimestampPct } = video;
  const { maxDurationSeconds, uploadExpiry, watermark } = video;
  const { sluice: _, "downloaded-from": __, ...own } = meta;
  const hosts = (allowedOrigins ?? []) as string[];
  // Stream shows 0 for a video without it.
  const isSet = thumbnailTimestampPct !== 0 || thumbnail?.force !== undefined || thumbnail?.required;
  return new Map<string, string>([
    ...Object.entries(own).map(([key, text]) => [key, String(text)] as const),
    ...(requireSignedURLs === true ? [["requiresignedurls", ""] as const] : []),
    ...(hosts.length > 0 ? [["allowedorigins", hosts.join(",")] as const] : []),
    ...(typeof scheduledDeletion === "string" ? [["scheduleddeletion", scheduledDeletion] as const] : []),
    ...(isSet && thumbnailTimestampPct !== undefined
      ? [["thumbnailtimestamppct", String(thumbnailTimestampPct)] as const]
      : []),
    ...(watermark ? [["watermark", (watermark as { uid: string }).uid] as const] : []),
    ...(maxDurationSeconds === undefined ? [] : [["maxdurationseconds", String(maxDurationSeconds)] as const]),
    ...(uploadExpiry === undefined ? [] : [["expiry", String(uploadExpiry)] as const]),
  ]);
}

describe("creations, edits, copies and clips in any order, under any policy", () => {
  it("end in nothing that the policy forbids", async () => {
    const accepted = { creations: 0, copies: 0, clips: 0, edits: 0 };
    const run = fc.asyncProperty(
      documents("policy"),
      fc.constantFrom(...CLIP_ORIGINS),
      fc.array(step, { minLength: 4, maxLength: 16 }),
      fc.infiniteStream(fc.nat(19)),
      async ({ json, document: compiled }, clipOrigin, steps, fates) => {
        const { features: _, ...document } = compiled;
        const world = new SequenceWorld(document, clipOrigin, () => FATES[fates.next().value] ?? "answered");
        for (const step of steps) {
          await world.take(step);
          for (const video of world.stream.videos.values())
            expect(faultsOf(json, video, world.find(video.uid)), JSON.stringify({ step, video })).toEqual([]);
        }
        for (const key of KINDS) accepted[key] += world.accepted[key];
      },
    );
    await fc.assert(run, RUNS);
    for (const key of KINDS) expect(accepted[key], key).toBeGreaterThan(RUNS.numRuns / 20);
  });
});

const KINDS = ["creations", "copies", "clips", "edits"] as const;
