import type { IncomingMessage } from "node:http";
import { type Answer, fail, readText, succeed } from "./http.ts";
import { RuleBroken, demand, readDirectUpload, readTusCreation } from "./rules.ts";
import type { Stream } from "./stream.ts";
import { MAX_QUEUED_VIDEOS, type Video, describeVideo } from "./videos.ts";

const PREFIX = /^\/client\/v4\/accounts\/([^/]+)\/stream(?:\/([^/]+))?(?:\/([^/]+))?$/;
/** [C] */
const MAX_LIST = 1_000;

/** The part of Cloudflare's API that is about Stream, for one account. */
export class StreamApi {
  readonly #stream: Stream;
  readonly #urlOf: (video: Video) => string;

  constructor(stream: Stream, urlOf: (video: Video) => string) {
    this.#stream = stream;
    this.#urlOf = urlOf;
  }

  async answer(request: IncomingMessage, url: URL): Promise<Answer> {
    const { settings } = this.#stream;
    const [, account, resource] = PREFIX.exec(url.pathname) ?? [];
    if (!this.#authenticated(request)) return fail(401, 10000, "Authentication error");
    if (account !== settings.accountId) return fail(404, 10003, "account not found");
    try {
      return await this.#route(request, url, resource);
    } catch (error) {
      if (error instanceof RuleBroken) return fail(400, 10005, error.message);
      throw error;
    }
  }

  /** Either of Cloudflare's two schemes. [C] */
  #authenticated({ headers }: IncomingMessage): boolean {
    const { token, email, globalKey } = this.#stream.settings;
    if (headers.authorization !== undefined) return headers.authorization === `Bearer ${token}`;
    return headers["x-auth-email"] === email && headers["x-auth-key"] === globalKey;
  }

  async #route(request: IncomingMessage, url: URL, resource: string | undefined): Promise<Answer> {
    const method = request.method ?? "";
    switch (`${method} ${resource ?? ""}`.trim()) {
      case "POST":
        return this.#create(request, url);
      case "GET":
        return this.#list(url.searchParams);
      case "POST direct_upload":
        return this.#createBasic(request);
      case "GET storage-usage":
        return this.#storageUsage(url.searchParams.get("creator") ?? undefined);
      case "PUT webhook":
        return this.#putWebhook(request);
      case "GET webhook":
        return this.#stream.webhook ? succeed(this.#stream.webhook) : fail(404, 10003, "no webhook");
      case "DELETE webhook":
        this.#stream.webhook = undefined;
        return succeed("");
      default:
        return this.#one(request, method, resource ?? "");
    }
  }

  #create(request: IncomingMessage, url: URL): Answer {
    // Without direct_user, Location needs a token to be used; that is for backends that upload themselves. [C]
    demand(url.searchParams.get("direct_user") === "true", "direct_user must be true here");
    demand(Number(request.headers["content-length"] ?? 0) === 0, "a creation has no body"); // [U]
    const full = this.#full();
    if (full) return full;
    const creation = readTusCreation(request.headers, this.#rules());
    const exceeded = this.#exceeded(creation.maxDurationSeconds);
    if (exceeded) return exceeded;
    const video = this.#stream.videos.create("tus", creation);
    const headers = { Location: this.#urlOf(video), "stream-media-id": video.uid, "Tus-Resumable": "1.0.0" };
    return { status: 201, headers };
  }

  async #createBasic(request: IncomingMessage): Promise<Answer> {
    const full = this.#full();
    if (full) return full;
    const creation = readDirectUpload(parseJson(await readText(request)), this.#rules());
    const exceeded = this.#exceeded(creation.maxDurationSeconds);
    if (exceeded) return exceeded;
    const video = this.#stream.videos.create("basic", creation);
    const { watermark, scheduledDeletion } = describeVideo(video);
    return succeed({ uid: video.uid, uploadURL: this.#urlOf(video), watermark, scheduledDeletion });
  }

  #rules() {
    return { now: this.#stream.now(), watermarks: this.#stream.settings.watermarks };
  }

  /** Checked when an upload URL is made. [C] that it is 429 or 413, [U] which. */
  #full(): Answer | undefined {
    return this.#stream.videos.queued() >= MAX_QUEUED_VIDEOS
      ? fail(429, 10005, `at most ${MAX_QUEUED_VIDEOS} videos may be queued or encoding`)
      : undefined;
  }

  /** [S] */
  #exceeded(maxDurationSeconds: number | null): Answer | undefined {
    const reserved = maxDurationSeconds ?? 14_400;
    return this.#stream.videos.storedSeconds() + reserved > this.#stream.settings.storageSeconds
      ? fail(413, 10011, "Storage capacity exceeded: not enough minutes left")
      : undefined;
  }

  #list(query: URLSearchParams): Answer {
    const limit = Number(query.get("limit") ?? MAX_LIST);
    demand(Number.isInteger(limit) && limit >= 1 && limit <= MAX_LIST, `limit must be 1 to ${MAX_LIST}`);
    const time = (name: string) => (query.has(name) ? Date.parse(query.get(name) ?? "") : undefined);
    const [before, after] = [time("before") ?? time("end"), time("after") ?? time("start")];
    const search = query.get("search")?.toLowerCase();
    const [creator, status] = [query.get("creator"), query.get("status")];
    const matching = this.#stream.videos
      .all()
      .filter(
        (video) =>
          (creator === null || video.creator === creator) &&
          (status === null || video.state === status) &&
          (before === undefined || video.created < before) &&
          (after === undefined || video.created > after) &&
          (search === undefined || (video.meta["name"] ?? "").toLowerCase().includes(search)),
      );
    const page = matching.slice(0, limit).map(describeVideo);
    const counts =
      query.get("include_counts") === "true" ? { total: String(matching.length), range: String(page.length) } : {};
    return succeed(page, counts);
  }

  #storageUsage(creator: string | undefined): Answer {
    const { videos, settings } = this.#stream;
    return succeed({
      ...(creator !== undefined && { creator }),
      totalStorageMinutes: videos.storedSeconds(creator) / 60,
      totalStorageMinutesLimit: settings.storageSeconds / 60,
      videoCount: videos.all().filter((video) => creator === undefined || video.creator === creator).length,
    });
  }

  async #putWebhook(request: IncomingMessage): Promise<Answer> {
    const { notificationUrl } = parseJson(await readText(request)) as { notificationUrl?: string };
    demand(URL.canParse(notificationUrl ?? ""), "notificationUrl must be a URL");
    return succeed(this.#stream.setWebhook(notificationUrl ?? ""));
  }

  async #one(request: IncomingMessage, method: string, uid: string): Promise<Answer> {
    const video = this.#stream.videos.get(uid);
    if (!video) return fail(404, 10003, "video not found");
    switch (method) {
      case "GET":
        return succeed(describeVideo(video));
      case "DELETE":
        this.#stream.delete(video);
        return { status: 200 };
      case "POST": {
        const { meta, maxDurationSeconds, uploadExpiry, creator } = parseJson(
          await readText(request),
        ) as Partial<Video>;
        this.#stream.videos.update(video, {
          ...(meta && { meta }),
          ...(maxDurationSeconds !== undefined && { maxDurationSeconds }),
          ...(uploadExpiry !== undefined && { uploadExpiry: Date.parse(String(uploadExpiry)) }),
          ...(creator !== undefined && { creator }),
        });
        return succeed(describeVideo(video));
      }
      default:
        return fail(405, 10405, "Method not allowed");
    }
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new RuleBroken("the body is not JSON");
  }
}
