import { linkSync, mkdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { countedSeconds, isExpired, isQueued } from "./accounting.ts";
import { ApiLimit } from "./api-limit.ts";
import { Clock } from "./clock.ts";
import { type VideoDescription, describeVideo } from "./description.ts";
import { Faults } from "./faults.ts";
import { fetchOrigin } from "./fetch-origin.ts";
import type { StreamSettings } from "./options.ts";
import { type Media, NOT_FETCHED, type Outcome, inspectFile, decideOutcome } from "./processing.ts";
import { Recorder } from "./recorder.ts";
import type { RuleContext } from "./rules.ts";
import { SigningKeys } from "./signing-keys.ts";
import { type Video, Videos } from "./videos.ts";
import { Webhook } from "./webhook.ts";

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
  /** Of copies that are `downloading`, by uid. */
  readonly #downloads = new Map<string, AbortController>();

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

  /** What the playback host makes of the file. */
  renditionFileOf(video: Video): string {
    return `${this.fileOf(video)}.rendition`;
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

  /** Starts to make a copy or a clip. The file of a clip is its parent's, uncut. */
  make(video: Video): Video {
    const parent = this.videos.get(video.clip?.of ?? "");
    if (parent) linkSync(this.fileOf(parent), this.fileOf(video));
    const made = this.videos.update(video.uid, { state: parent ? "queued" : "downloading" });
    this.#process(video.uid);
    return made ?? video;
  }

  delete(video: Video): void {
    this.videos.delete(video);
    this.#downloads.get(video.uid)?.abort();
    rmSync(this.fileOf(video), { force: true });
    rmSync(`${this.fileOf(video)}.json`, { force: true });
    rmSync(this.renditionFileOf(video), { force: true });
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
      .then((fetched) => (fetched ? this.#encode(uid) : this.#end(uid, NOT_FETCHED)))
      .catch((error: unknown) => {
        if (!this.clock.stopped.aborted) console.error(error);
      })
      .finally(() => this.#processing.delete(running));
    this.#processing.add(running);
  }

  /** Of a copy: downloading → queued. [C] @returns whether the file is there */
  async #download(uid: string): Promise<boolean> {
    const video = this.videos.get(uid);
    if (video?.url === undefined || video.state !== "downloading") return true;
    const deleted = new AbortController();
    this.#downloads.set(uid, deleted);
    const signal = AbortSignal.any([deleted.signal, this.clock.stopped]);
    const size = await fetchOrigin(video.url, this.fileOf(video), signal);
    this.#downloads.delete(uid);
    this.clock.stopped.throwIfAborted(); // a later process on the same folder fetches it
    if (size === undefined) return false;
    this.videos.update(uid, { state: "queued", uploaded: this.clock.now(), size });
    return true;
  }

  /** queued → inprogress → ready or error, then the webhook. Unfinished uploads send none. [C] */
  async #encode(uid: string): Promise<void> {
    await this.clock.sleep(this.settings.processingMs);
    const video = this.videos.update(uid, { state: "inprogress" });
    if (!video) return;
    const media = await this.#inspect(video);
    await this.clock.sleep(this.settings.processingMs);
    await this.#end(uid, decideOutcome(media, this.videos.get(uid)?.maxDurationSeconds ?? null));
  }

  async #end(uid: string, outcome: Outcome): Promise<void> {
    const readyAt = outcome.state === "ready" && { readyAt: this.clock.now() };
    const ended = this.videos.update(uid, { ...outcome, ...readyAt });
    if (ended) await this.webhook.notify(uid, this.describe(ended));
  }

  async #inspect({ clip, ...video }: Video): Promise<Media> {
    const media = await inspectFile(this.fileOf(video));
    return clip && media.kind === "video" ? { ...media, duration: clip.end - clip.start } : media;
  }
}
