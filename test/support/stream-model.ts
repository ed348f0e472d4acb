import type { StreamApi } from "../../src/core/ports/stream.ts";
import { problem } from "../../src/core/shared/problem.ts";
import { err, ok } from "../../src/core/shared/result.ts";
import type { StreamOutcome } from "../../src/core/stream/rules/creation.ts";
import { parseVideo } from "../../src/core/stream/rules/parse-video.ts";
import type { Upstream } from "../../src/core/stream/rules/upstream.ts";

/** A video as Stream keeps it. */
export type ModelVideo = Record<string, unknown> & { uid: string; meta: Record<string, unknown> };

/** Where a clip has its options from: the call of the port; its parent, where the call cannot say them; its parent; nowhere. */
export const CLIP_ORIGINS = ["call", "parent where the call does not say", "parent", "nothing"] as const;

/** What happens to a call: it is carried out; or not, with or without an answer; or it is carried out, and the answer is lost. */
export const FATES = ["answered", "refused", "unanswered", "lost"] as const;
export type Fate = (typeof FATES)[number];

const NO_ANSWER = problem("stream_timeout", "");
const OPTIONS = ["requireSignedURLs", "allowedOrigins", "scheduledDeletion", "thumbnailTimestampPct"] as const;

/** A pure model of Stream: what the calls of the port set on a video, and nothing of the policy. */
export class StreamModel {
  readonly videos = new Map<string, ModelVideo>();
  readonly #clipOrigin: (typeof CLIP_ORIGINS)[number];
  readonly #nextFate: () => Fate;
  #made = 0;

  constructor(clipOrigin: (typeof CLIP_ORIGINS)[number], nextFate: () => Fate) {
    this.#clipOrigin = clipOrigin;
    this.#nextFate = nextFate;
  }

  readonly api: Pick<StreamApi, "create" | "createDirect" | "make" | "video" | "call"> = {
    create: async (_, { metadata, creator }) => this.#outcomeOf(() => this.#add(ofTus(metadata, creator))),
    createDirect: async (_, { expiry, ...body }) => this.#outcomeOf(() => this.#add({ ...body, uploadExpiry: expiry })),
    make: async (upstream, { kind, body }) =>
      this.#outcomeOf(() => this.#add(kind === "copy" ? ofCopy({ ...body }) : this.#clipOf({ ...body })), upstream),
    video: async (upstream, uid) => {
      const video = this.videos.get(uid);
      return video ? parseVideo(structuredClone(video), upstream) : { report: { kind: "absent" } };
    },
    call: async (_, { path, json }) => {
      const fate = this.#nextFate();
      const video = this.videos.get(path.slice(1));
      if (!video || fate === "refused") return err(problem("stream_rejected", ""));
      if (fate === "unanswered") return err(NO_ANSWER);
      Object.assign(video, structuredClone(json));
      if (video["creator"] === "") video["creator"] = null;
      return fate === "lost" ? err(NO_ANSWER) : ok(structuredClone(video));
    },
  };

  /** The bytes of a video have arrived, and it is processed. */
  process(uid: string, duration: number, size: number): void {
    Object.assign(this.videos.get(uid) ?? {}, { status: { state: "ready" }, duration, size });
  }

  /** Stream deletes what was scheduled. */
  deleteScheduled(now: number): void {
    for (const [uid, { scheduledDeletion }] of this.videos)
      if (typeof scheduledDeletion === "string" && Date.parse(scheduledDeletion) <= now * 1000) this.videos.delete(uid);
  }

  #outcomeOf(create: () => ModelVideo, upstream?: Upstream): StreamOutcome {
    const fate = this.#nextFate();
    if (fate === "refused") return { kind: "refused", status: 400, problem: problem("stream_rejected", "") };
    if (fate === "unanswered") return { kind: "unknown", problem: NO_ANSWER };
    const video = create();
    const { uid } = video;
    if (fate === "lost") return { kind: "unknown", problem: NO_ANSWER };
    const made = upstream && parseVideo(structuredClone(video), upstream);
    return made
      ? { kind: "made", status: 200, uid, video: made }
      : { kind: "created", status: 201, uid, location: `https://upload.example/${uid}` };
  }

  #add(fields: Record<string, unknown>): ModelVideo {
    const uid = String(++this.#made).padStart(32, "0");
    const video: ModelVideo = {
      requireSignedURLs: false,
      allowedOrigins: [],
      scheduledDeletion: null,
      thumbnailTimestampPct: 0,
      creator: null,
      meta: {},
      status: { state: "pendingupload" },
      ...fields,
      uid,
    };
    this.videos.set(uid, video);
    return video;
  }

  /** "The clip API call" says neither `meta` nor `scheduledDeletion` in the SDK's types. */
  #clipOf(clip: Record<string, unknown>) {
    const { clippedFromVideoUID, startTimeSeconds: _, endTimeSeconds: __, ...body } = clip;
    const parent = this.videos.get(String(clippedFromVideoUID));
    const kept = Object.fromEntries(
      ["meta", "creator", ...OPTIONS].map((key) => [key, structuredClone(parent?.[key])]),
    );
    const { meta: ___, scheduledDeletion: ____, ...said } = body;
    const { watermark } = body;
    const fields = {
      call: body,
      "parent where the call does not say": { ...kept, ...said },
      parent: { ...kept, watermark },
      nothing: { watermark },
    }[this.#clipOrigin];
    return { ...fields, status: { state: "queued" }, clippedFrom: clippedFromVideoUID };
  }
}

function ofCopy({ input, meta, ...body }: Record<string, unknown>): Record<string, unknown> {
  return { ...body, meta: { ...(meta as object), "downloaded-from": input }, status: { state: "downloading" } };
}

function ofTus(header: string, creator: string | undefined): Record<string, unknown> {
  const pairs = new Map(
    header.split(",").map((pair) => {
      const [key = "", base64 = ""] = pair.split(" ");
      return [key, Buffer.from(base64, "base64").toString()] as const;
    }),
  );
  const take = (key: string) => {
    const text = pairs.get(key);
    pairs.delete(key);
    return text;
  };
  const [hosts, percentage, watermark] = [take("allowedorigins"), take("thumbnailtimestamppct"), take("watermark")];
  return {
    // "Presence means true."
    requireSignedURLs: take("requiresignedurls") !== undefined,
    allowedOrigins: hosts === undefined ? [] : hosts.split(","),
    scheduledDeletion: take("scheduleddeletion") ?? null,
    thumbnailTimestampPct: Number(percentage ?? 0),
    ...(watermark !== undefined && { watermark: { uid: watermark } }),
    maxDurationSeconds: Number(take("maxdurationseconds")),
    uploadExpiry: take("expiry"),
    creator: creator ?? null,
    meta: Object.fromEntries(pairs),
  };
}
