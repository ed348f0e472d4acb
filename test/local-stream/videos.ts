import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Creation } from "./rules.ts";

/** [C] `downloading` is left out: it is for videos copied from a URL. */
export type VideoState = "pendingupload" | "queued" | "inprogress" | "ready" | "error";

export interface Video extends Omit<Creation, "meta"> {
  readonly uid: string;
  /** Last part of the upload URL: another id than the uid, as in Cloudflare's own examples. [C] */
  readonly uploadId: string;
  readonly kind: "tus" | "basic";
  readonly created: number;
  meta: Record<string, string>;
  maxDurationSeconds: number | null;
  uploadExpiry: number;
  creator: string | null;
  state: VideoState;
  modified: number;
  uploaded: number | null;
  /** Seconds; -1 until the video has been processed. [C] */
  duration: number;
  size: number;
  errorReasonCode: string;
  errorReasonText: string;
}

/** What a creation without `maxdurationseconds` reserves. [S] */
const DEFAULT_RESERVED_SECONDS = 14_400;
/** At most so many videos may be queued or encoding. [C] */
export const MAX_QUEUED_VIDEOS = 120;

/** The account's videos, a file each, so that they are there again after a restart. */
export class Videos {
  readonly #videos = new Map<string, Video>();
  readonly #byUploadId = new Map<string, Video>();
  readonly #folder: string;
  readonly #now: () => number;

  constructor(folder: string, now: () => number) {
    this.#folder = folder;
    this.#now = now;
    mkdirSync(folder, { recursive: true });
    for (const name of readdirSync(folder)) this.#add(JSON.parse(readFileSync(join(folder, name), "utf8")) as Video);
  }

  create(kind: Video["kind"], creation: Creation): Video {
    const now = this.#now();
    const video: Video = {
      ...creation,
      meta: { ...creation.meta },
      uid: randomBytes(16).toString("hex"),
      uploadId: randomBytes(16).toString("hex"),
      kind,
      created: now,
      modified: now,
      uploaded: null,
      state: "pendingupload",
      duration: -1,
      size: creation.length ?? 0,
      errorReasonCode: "",
      errorReasonText: "",
    };
    this.#add(video);
    this.#save(video);
    return video;
  }

  get(uid: string): Video | undefined {
    return this.#videos.get(uid);
  }

  byUploadId(uploadId: string): Video | undefined {
    return this.#byUploadId.get(uploadId);
  }

  /** Newest first. */
  all(): Video[] {
    return [...this.#videos.values()].toSorted((a, b) => b.created - a.created);
  }

  update(video: Video, changes: Partial<Video>): void {
    Object.assign(video, changes, { modified: this.#now() });
    // It may have been deleted meanwhile.
    if (this.#videos.has(video.uid)) this.#save(video);
  }

  delete(video: Video): void {
    this.#videos.delete(video.uid);
    this.#byUploadId.delete(video.uploadId);
    rmSync(join(this.#folder, `${video.uid}.json`), { force: true });
  }

  isExpired(video: Video): boolean {
    return video.state === "pendingupload" && video.uploadExpiry <= this.#now();
  }

  /**
   * Seconds that count against the account's storage: what pending uploads reserve, and what ready videos last. A
   * reservation is released when the video is processed, fails or expires. [C]
   */
  storedSeconds(creator?: string): number {
    return this.#sum(creator, (video) => {
      if (video.state === "error" || this.isExpired(video)) return 0;
      return video.state === "ready" ? video.duration : (video.maxDurationSeconds ?? DEFAULT_RESERVED_SECONDS);
    });
  }

  queued(): number {
    return this.#sum(undefined, ({ state }) => (state === "queued" || state === "inprogress" ? 1 : 0));
  }

  #sum(creator: string | undefined, amount: (video: Video) => number): number {
    let total = 0;
    for (const video of this.#videos.values())
      if (creator === undefined || video.creator === creator) total += amount(video);
    return total;
  }

  #add(video: Video): void {
    this.#videos.set(video.uid, video);
    this.#byUploadId.set(video.uploadId, video);
  }

  #save(video: Video): void {
    writeFileSync(join(this.#folder, `${video.uid}.json`), JSON.stringify(video));
  }
}

/** A video as the API shows it. [C] */
export function describeVideo(video: Video) {
  const time = (milliseconds: number | null) => (milliseconds === null ? null : new Date(milliseconds).toISOString());
  const ready = video.state === "ready";
  return {
    uid: video.uid,
    creator: video.creator,
    thumbnail: `https://videodelivery.net/${video.uid}/thumbnails/thumbnail.jpg`,
    thumbnailTimestampPct: video.thumbnailTimestampPct,
    readyToStream: ready,
    readyToStreamAt: ready ? time(video.modified) : null,
    status: {
      state: video.state,
      pctComplete: ready ? "100.000000" : "0.000000",
      errorReasonCode: video.errorReasonCode,
      errorReasonText: video.errorReasonText,
    },
    meta: video.meta,
    created: time(video.created),
    modified: time(video.modified),
    scheduledDeletion: time(video.scheduledDeletion),
    size: video.size,
    preview: `https://watch.videodelivery.net/${video.uid}`,
    allowedOrigins: video.allowedOrigins,
    requireSignedURLs: video.requireSignedURLs,
    uploaded: time(video.uploaded),
    uploadExpiry: time(video.uploadExpiry),
    maxSizeBytes: null,
    maxDurationSeconds: video.maxDurationSeconds,
    duration: video.duration,
    input: { width: -1, height: -1 },
    playback: {
      hls: `https://videodelivery.net/${video.uid}/manifest/video.m3u8`,
      dash: `https://videodelivery.net/${video.uid}/manifest/video.mpd`,
    },
    watermark: video.watermark === null ? null : { uid: video.watermark },
  };
}
