import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { readJson, writeJson } from "./json-file.ts";
import type { Clip, Creation, PublicDetails } from "./rules.ts";

/** [C] */
export const VIDEO_STATES = ["pendingupload", "downloading", "queued", "inprogress", "ready", "error"] as const;
export type VideoState = (typeof VIDEO_STATES)[number];

export interface Video extends Creation {
  readonly uid: string;
  /** Last part of the upload URL; differs from the uid, as in Cloudflare's examples. [C] */
  readonly uploadId: string;
  readonly kind: "tus" | "basic" | "copy" | "clip";
  /** Where the file of a copy is. */
  readonly url?: string;
  readonly clip?: Clip;
  /** Times in milliseconds since the epoch. */
  readonly created: number;
  readonly modified: number;
  /** When the last byte arrived. */
  readonly uploaded: number | null;
  readonly readyAt: number | null;
  readonly state: VideoState;
  /** Seconds; -1 until the video has been processed. [C] */
  readonly duration: number;
  /** Pixels; -1 until the video has been processed. [C] */
  readonly width: number;
  readonly height: number;
  /** Bytes. */
  readonly size: number;
  readonly errorReasonCode: string;
  readonly errorReasonText: string;
  /** WebVTT by language. */
  readonly captions: Readonly<Record<string, string>>;
  /** When its MP4 was asked for. */
  readonly downloadRequested: number | null;
  /** Absent until an edit sets them. */
  readonly publicDetails?: PublicDetails;
}

export type VideoChanges = Partial<Omit<Video, "uid" | "uploadId" | "kind" | "created" | "modified">>;

const UNPROCESSED = {
  state: "pendingupload",
  uploaded: null,
  readyAt: null,
  duration: -1,
  width: -1,
  height: -1,
  errorReasonCode: "",
  errorReasonText: "",
  captions: {},
  downloadRequested: null,
} as const satisfies VideoChanges;

/** The account's videos, stored as one file each, so that they survive a restart. */
export class Videos {
  readonly #videos = new Map<string, Video>();
  readonly #uidOfUpload = new Map<string, string>();
  readonly #folder: string;
  readonly #now: () => number;

  constructor(folder: string, now: () => number) {
    this.#folder = folder;
    this.#now = now;
    mkdirSync(folder, { recursive: true });
    const videos = readdirSync(folder)
      .filter((name) => name.endsWith(".json"))
      .map((name) => readJson(join(folder, name)) as Video)
      .toSorted((a, b) => a.created - b.created);
    for (const video of videos) this.#index({ ...UNPROCESSED, ...video });
  }

  create(kind: Video["kind"], creation: Creation, content: Pick<Video, "url" | "clip"> = {}): Video {
    const now = this.#now();
    const video: Video = {
      ...creation,
      uid: randomBytes(16).toString("hex"),
      uploadId: randomBytes(16).toString("hex"),
      kind,
      created: now,
      modified: now,
      size: creation.length ?? 0,
      ...UNPROCESSED,
      ...content,
    };
    this.#index(video);
    writeJson(this.#fileOf(video.uid), video);
    return video;
  }

  get(uid: string): Video | undefined {
    return this.#videos.get(uid);
  }

  byUploadId(uploadId: string): Video | undefined {
    return this.#videos.get(this.#uidOfUpload.get(uploadId) ?? "");
  }

  /** Newest first. */
  all(): Video[] {
    return [...this.#videos.values()].toReversed();
  }

  values(): Iterable<Video> {
    return this.#videos.values();
  }

  /** @returns the changed video, `undefined` if it has been deleted */
  update(uid: string, changes: VideoChanges): Video | undefined {
    const video = this.#videos.get(uid);
    if (!video) return undefined;
    const changed = { ...video, ...changes, modified: this.#now() };
    this.#index(changed);
    writeJson(this.#fileOf(uid), changed);
    return changed;
  }

  delete({ uid, uploadId }: Video): void {
    this.#videos.delete(uid);
    this.#uidOfUpload.delete(uploadId);
    rmSync(this.#fileOf(uid), { force: true });
  }

  #index(video: Video): void {
    this.#videos.set(video.uid, video);
    this.#uidOfUpload.set(video.uploadId, video.uid);
  }

  #fileOf(uid: string): string {
    return join(this.#folder, `${uid}.json`);
  }
}
