import { mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { countedSeconds, isExpired, isQueued } from "./accounting.ts";
import { ApiLimit } from "./api-limit.ts";
import { Clock } from "./clock.ts";
import { type VideoDescription, describeVideo } from "./description.ts";
import { Faults } from "./faults.ts";
import type { StreamSettings } from "./options.ts";
import { type Media, NOT_FETCHED, inspectFile, decideOutcome } from "./processing.ts";
import { Recorder } from "./recorder.ts";
import type { RuleContext } from "./rules.ts";
import { SigningKeys } from "./signing-keys.ts";
import { type Video, Videos } from "./videos.ts";
import { Webhook } from "./webhook.ts";

const DOWNLOAD_TIMEOUT_MS = 10_000;

/** The state of one Stream account, with its background processing. */
export class Stream {
  readonly settings: StreamSettings;
  /** Origin of all hosts of this Stream. */
  readonly origin: string;
  readonly clock = new Clock();
  readonly faults = new Faults();
  readonly recorder = new Recorder();
  readonly apiLimit: ApiLimit;
  readonly videos: Videos;
  readonly webhook: Webhook;
  readonly signingKeys: SigningKeys;
  /** Folder of the uploaded bytes. */
  readonly uploads: string;
  readonly #processing = new Set<Promise<void>>();

  constructor(settings: StreamSettings, dataDir: string, origin: string) {
    this.settings = settings;
    this.origin = origin;
    this.apiLimit = new ApiLimit(settings);
    this.uploads = join(dataDir, "uploads");
    mkdirSync(this.uploads, { recursive: true });
    this.videos = new Videos(join(dataDir, "videos"), () => this.clock.now());
    this.webhook = new Webhook(join(dataDir, "webhook.json"), this.faults, this.clock);
    this.signingKeys = new SigningKeys(join(dataDir, "signing-keys.json"), () => this.clock.now());
  }

  /** Continues the work of an earlier process on the same data folder. */
  resume(): void {
    for (const video of this.videos.all()) {
      if (isQueued(video) || video.state === "downloading") this.#process(video.uid);
      // The process was killed after the last byte and before recording it.
      else if (video.kind === "tus" && video.state === "pendingupload" && this.bytesOf(video) === video.length)
        this.uploaded(video, video.length);
    }
  }

  /** The video as the API shows it. */
  describe(video: Video): VideoDescription {
    return describeVideo(video, this.origin);
  }

  /** The upload URL. */
  urlOf({ kind, uploadId }: Video): string {
    return kind === "tus" ? `${this.origin}/tus/${uploadId}?tusv2=true` : `${this.origin}/basic/${uploadId}`;
  }

  /** What the rules of a creation and an edit depend on. */
  rules(): RuleContext {
    return { now: this.clock.now(), watermarks: this.settings.watermarks };
  }

  fileOf(video: Video): string {
    return join(this.uploads, video.uploadId);
  }

  /** Bytes received of a tus upload. */
  bytesOf(video: Video): number {
    return statSync(this.fileOf(video), { throwIfNoEntry: false })?.size ?? 0;
  }

  /** Whether the upload URL has expired. */
  isExpired(video: Video): boolean {
    if (!isExpired(video, this.clock.now())) return false;
    return !(this.settings.startedMayFinish && this.bytesOf(video) > 0);
  }

  /** Records a complete upload and starts processing. */
  uploaded(video: Video, size: number): void {
    if (this.videos.update(video.uid, { state: "queued", uploaded: this.clock.now(), size })) this.#process(video.uid);
  }

  /** Starts to make a copy or a clip. */
  make(video: Video): Video {
    const made = this.videos.update(video.uid, { state: video.url === undefined ? "queued" : "downloading" });
    this.#process(video.uid);
    return made ?? video;
  }

  delete(video: Video): void {
    this.videos.delete(video);
    rmSync(this.fileOf(video), { force: true });
    rmSync(`${this.fileOf(video)}.json`, { force: true });
  }

  /** Deletes videos whose scheduled deletion is due. [C] */
  deleteScheduled(): void {
    const now = this.clock.now();
    for (const video of this.videos.all())
      if (video.scheduledDeletion !== null && video.scheduledDeletion <= now) this.delete(video);
  }

  /** Whether the account's storage has room for so many more seconds. */
  fits(seconds: number): boolean {
    return this.storedSeconds() + seconds <= this.settings.storageSeconds;
  }

  storedSeconds(creator?: string): number {
    const now = this.clock.now();
    let total = 0;
    for (const video of this.videos.values())
      if (creator === undefined || video.creator === creator) total += countedSeconds(video, now);
    return total;
  }

  queued(): number {
    let total = 0;
    for (const video of this.videos.values()) if (isQueued(video)) total++;
    return total;
  }

  /** Resets the account to an empty one. */
  reset(): void {
    for (const video of this.videos.all()) this.delete(video);
    this.faults.clear();
    this.recorder.clear();
    this.apiLimit.clear();
    this.webhook.remove();
    this.signingKeys.clear();
    this.webhook.deliveries.length = 0;
    this.clock.reset();
  }

  /** Resolves when all processing has stopped. */
  async close(): Promise<void> {
    this.clock.stop();
    await Promise.allSettled(this.#processing);
  }

  #process(uid: string): void {
    const running = this.#download(uid)
      .then(() => this.#encode(uid))
      .catch((error: unknown) => {
        if (!this.clock.stopped.aborted) console.error(error);
      })
      .finally(() => this.#processing.delete(running));
    this.#processing.add(running);
  }

  /** downloading → queued. What is not to be had is `ERR_FETCH_ORIGIN_ERROR` [C] of an empty file here. */
  async #download(uid: string): Promise<void> {
    const video = this.videos.get(uid);
    if (video?.url === undefined || video.state !== "downloading") return;
    const signal = AbortSignal.any([this.clock.stopped, AbortSignal.timeout(DOWNLOAD_TIMEOUT_MS)]);
    const answer = await fetch(video.url, { signal }).catch(() => undefined);
    const bytes = answer?.ok ? new Uint8Array(await answer.arrayBuffer()) : undefined;
    if (bytes) writeFileSync(this.fileOf(video), bytes);
    this.videos.update(uid, { state: "queued", uploaded: this.clock.now(), size: bytes?.byteLength ?? 0 });
  }

  /** queued → inprogress → ready or error, then the webhook. Unfinished uploads send none. [C] */
  async #encode(uid: string): Promise<void> {
    await this.clock.sleep(this.settings.processingMs);
    const video = this.videos.update(uid, { state: "inprogress" });
    if (!video) return;
    const media = await this.#inspect(video);
    await this.clock.sleep(this.settings.processingMs);
    const now = this.clock.now();
    const missing = video.url !== undefined && video.size === 0;
    const outcome = missing ? NOT_FETCHED : decideOutcome(media, this.videos.get(uid)?.maxDurationSeconds ?? null);
    const ended = this.videos.update(uid, { ...outcome, ...(outcome.state === "ready" && { readyAt: now }) });
    if (ended) await this.webhook.notify(uid, this.describe(ended));
  }

  async #inspect({ clip, ...video }: Video): Promise<Media> {
    if (!clip) return inspectFile(this.fileOf(video));
    const { width = 0, height = 0 } = this.videos.get(clip.of) ?? {};
    return { kind: "video", duration: clip.end - clip.start, width, height };
  }
}
