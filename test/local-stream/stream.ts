import { createHmac, randomBytes } from "node:crypto";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ALL_FORMATS, FilePathSource, Input } from "mediabunny";
import { Faults } from "./faults.ts";
import { type Video, Videos, describeVideo } from "./videos.ts";

/** What this Stream is like; every setting has a default in `server.ts`. */
export interface StreamSettings {
  readonly accountId: string;
  readonly token: string;
  readonly email: string;
  readonly globalKey: string;
  /** Uids of the account's watermark profiles. */
  readonly watermarks: readonly string[];
  /** Seconds of video that the account has paid for. */
  readonly storageSeconds: number;
  /** API calls in any 5 minutes, before all are blocked for 5. */
  readonly apiLimit: number;
  /** Milliseconds in each of the states `queued` and `inprogress`. */
  readonly processingMs: number;
  readonly dataDir: string;
}

/** A request as it came in. */
export interface RecordedRequest {
  readonly at: number;
  readonly method: string;
  readonly url: string;
  /** Names and values in turn, in the order and the case in which they came. */
  readonly rawHeaders: readonly string[];
}

/** So many requests are remembered; the oldest go. */
const MAX_RECORDED = 50_000;
/** [C] */
const MIN_DURATION_SECONDS = 0.1;

/** The state of one Stream account, and what happens in it without being asked. */
export class Stream {
  readonly settings: StreamSettings;
  readonly faults = new Faults();
  readonly videos: Videos;
  readonly uploads: string;
  requests: RecordedRequest[] = [];
  webhook: { readonly notificationUrl: string; readonly secret: string; readonly modified: string } | undefined;
  /** Added to the clock, in milliseconds: tests let time pass with it. */
  clockOffsetMs = 0;
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor(settings: StreamSettings) {
    this.settings = settings;
    this.uploads = join(settings.dataDir, "uploads");
    mkdirSync(this.uploads, { recursive: true });
    this.videos = new Videos(join(settings.dataDir, "videos"), () => this.now());
    for (const video of this.videos.all())
      if (video.state === "queued" || video.state === "inprogress") this.#process(video);
  }

  now(): number {
    return Date.now() + this.clockOffsetMs;
  }

  record(request: RecordedRequest): void {
    this.requests.push(request);
    if (this.requests.length > MAX_RECORDED) this.requests.shift();
  }

  /** Where the bytes of a video are kept. */
  fileOf(video: Video): string {
    return join(this.uploads, video.uploadId);
  }

  /** The last byte has come. */
  uploaded(video: Video): void {
    this.videos.update(video, { state: "queued", uploaded: this.now() });
    this.#process(video);
  }

  delete(video: Video): void {
    this.videos.delete(video);
    rmSync(this.fileOf(video), { force: true });
    rmSync(`${this.fileOf(video)}.json`, { force: true });
  }

  /** Forgets all, as if the account were new. */
  reset(): void {
    for (const video of this.videos.all()) this.delete(video);
    this.faults.clear();
    this.requests = [];
    this.webhook = undefined;
    this.clockOffsetMs = 0;
  }

  /** Changing the URL changes the secret. [C] */
  setWebhook(notificationUrl: string) {
    this.webhook = {
      notificationUrl,
      secret: randomBytes(32).toString("hex"),
      modified: new Date(this.now()).toISOString(),
    };
    return this.webhook;
  }

  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
  }

  #process(video: Video): void {
    const { processingMs } = this.settings;
    this.#later(processingMs, async () => {
      this.videos.update(video, { state: "inprogress" });
      const outcome = await this.#inspect(video);
      this.#later(processingMs, async () => {
        this.videos.update(video, outcome);
        await this.#notify(video);
      });
    });
  }

  /** What becomes of a video, by what the file really is. */
  async #inspect(video: Video): Promise<Partial<Video>> {
    const failed = (errorReasonCode: string, errorReasonText: string) =>
      ({ state: "error", errorReasonCode, errorReasonText }) as const;
    const input = new Input({ source: new FilePathSource(this.fileOf(video)), formats: ALL_FORMATS });
    try {
      const duration = await input.computeDuration();
      if (duration < MIN_DURATION_SECONDS) return failed("ERR_DURATION_TOO_SHORT", "The video is too short.");
      if (video.maxDurationSeconds !== null && duration > video.maxDurationSeconds)
        return failed("ERR_DURATION_EXCEED_CONSTRAINT", "The video is longer than maxDurationSeconds.");
      return { state: "ready", duration };
    } catch {
      return failed("ERR_NON_VIDEO", "The file was not recognized as a valid video file.");
    } finally {
      input.dispose();
    }
  }

  /** Webhooks come when processing has ended, well or not. For uploads that were abandoned none ever comes. [C] */
  async #notify(video: Video): Promise<void> {
    if (!this.webhook) return;
    const fault = this.faults.take("webhook");
    if (fault?.kind === "lose") return;
    const { notificationUrl, secret } = this.webhook;
    const body = JSON.stringify(describeVideo(video));
    const deliver = async () => {
      const time = Math.floor(this.now() / 1000);
      const signature = createHmac("sha256", secret).update(`${time}.${body}`).digest("hex");
      const headers = { "Content-Type": "application/json", "Webhook-Signature": `time=${time},sig1=${signature}` };
      // Whether Stream repeats a delivery that failed is not documented. [U]
      await fetch(notificationUrl, { method: "POST", headers, body }).catch(() => undefined);
    };
    if (fault?.kind === "latency") this.#later(fault.milliseconds ?? 0, deliver);
    else await deliver();
    if (fault?.kind === "repeat") await deliver();
  }

  #later(milliseconds: number, work: () => Promise<void>): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      void work();
    }, milliseconds);
    this.#timers.add(timer);
  }
}
