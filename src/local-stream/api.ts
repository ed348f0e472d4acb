import type { IncomingHttpHeaders } from "node:http";
import type { ApiCall } from "./api-call.ts";
import { reservedSeconds } from "./accounting.ts";
import { answerCaptions } from "./captions.ts";
import { describeVideo } from "./description.ts";
import { answerDownloads } from "./downloads.ts";
import { type Answer, fail, succeed } from "./http.ts";
import { readListing } from "./listing.ts";
import { refuseCredential, refuseQueue, refuseRate, refuseStorage } from "./refusals.ts";
import { type Creation, readDirectUpload, readEdit, readTusCreation } from "./rules.ts";
import type { Stream } from "./stream.ts";
import { RuleBroken, demand } from "./values.ts";
import type { Video } from "./videos.ts";
import { answerWatermarks } from "./watermarks.ts";

const PATH = /^\/client\/v4\/accounts\/([^/]+)\/stream(?:\/(.+))?$/;
/** [C] */
const MAX_ACCOUNT_CHARACTERS = 32;

const NO_SUCH_PATH = fail(404, 10003, "no such path");

/** Cloudflare's Stream API for one account. */
export class StreamApi {
  readonly #stream: Stream;
  readonly #urlOf: (video: Video) => string;
  readonly #playbackHost: string;

  constructor(stream: Stream, urlOf: (video: Video) => string, playbackHost: string) {
    this.#stream = stream;
    this.#urlOf = urlOf;
    this.#playbackHost = playbackHost;
  }

  answer(call: ApiCall): Answer {
    const { settings, clock, apiLimit } = this.#stream;
    if (!this.#authenticated(call.headers)) return refuseCredential(401);
    // The limit is per user, so calls without a valid credential do not count. [U]
    const blockedSeconds = apiLimit.count(clock.now());
    if (blockedSeconds !== undefined) return refuseRate(settings.apiLimit, blockedSeconds);
    const [path, account = "", resource] = PATH.exec(call.url.pathname) ?? [];
    if (path === undefined) return NO_SUCH_PATH;
    this.#stream.deleteScheduled();
    try {
      demand(account.length <= MAX_ACCOUNT_CHARACTERS, `account_id has at most ${MAX_ACCOUNT_CHARACTERS} characters`);
      if (account !== settings.accountId) return fail(404, 10003, "account not found");
      return this.#route(call, resource);
    } catch (error) {
      if (error instanceof RuleBroken) return fail(400, 10005, error.message);
      throw error;
    }
  }

  /** Either of Cloudflare's two schemes. [C] */
  #authenticated(headers: IncomingHttpHeaders): boolean {
    const { token, email, globalKey } = this.#stream.settings;
    if (headers.authorization !== undefined) return headers.authorization === `Bearer ${token}`;
    return headers["x-auth-email"] === email && headers["x-auth-key"] === globalKey;
  }

  #route(call: ApiCall, resource: string | undefined): Answer {
    const { webhook } = this.#stream;
    const { method, url } = call;
    switch (`${method} ${resource ?? ""}`.trim()) {
      case "POST":
        return this.#create(call);
      case "GET":
        return this.#list(url.searchParams);
      case "POST direct_upload":
        return this.#createBasic(call);
      case "GET storage-usage":
        return this.#storageUsage(url.searchParams.get("creator") ?? undefined);
      case "PUT webhook":
        return this.#putWebhook(call);
      case "GET webhook":
        return webhook.setting ? succeed(webhook.setting) : fail(404, 10003, "no webhook");
      case "DELETE webhook":
        webhook.remove();
        return succeed("");
      default:
        return this.#below(call, (resource ?? "").split("/"));
    }
  }

  /** What is below a name or a video. */
  #below(call: ApiCall, [name = "", part, ...path]: readonly string[]): Answer {
    const { settings, videos } = this.#stream;
    if (name === "watermarks" && call.method === "GET")
      return answerWatermarks(settings.watermarks, part === undefined ? [] : [part, ...path]) ?? NO_SUCH_PATH;
    const video = videos.get(name);
    if (!video) return fail(404, 10003, "video not found");
    if (part === undefined) return this.#one(call, video);
    if (part === "captions") return answerCaptions(this.#stream, call, video, path) ?? NO_SUCH_PATH;
    if (part === "downloads" && path.length === 0)
      return answerDownloads(this.#stream, call.method, video, this.#playbackHost) ?? NO_SUCH_PATH;
    return NO_SUCH_PATH;
  }

  #create({ url, body, headersDistinct }: ApiCall): Answer {
    // Without direct_user, the Location works only with a token [C]; not supported here.
    demand(url.searchParams.get("direct_user") === "true", "direct_user must be true here");
    demand(body === "", "a creation has no body"); // [C] that it needs none, [U] that it is refused
    const creation = readTusCreation(headersDistinct, this.#rules());
    const admitted = this.#admit("tus", creation);
    if ("status" in admitted) return admitted;
    const headers = { Location: this.#urlOf(admitted), "stream-media-id": admitted.uid, "Tus-Resumable": "1.0.0" };
    return { status: 201, headers }; // an empty body [C]
  }

  #createBasic({ body, headers }: ApiCall): Answer {
    const creation = readDirectUpload(parseJson(body), this.#rules());
    const header = headers["upload-creator"]; // [C] the SDK can send it here as well
    const creator = creation.creator ?? (typeof header === "string" && header !== "" ? header : null);
    const admitted = this.#admit("basic", { ...creation, creator });
    if ("status" in admitted) return admitted;
    const { watermark, scheduledDeletion } = describeVideo(admitted);
    return succeed({ uid: admitted.uid, uploadURL: this.#urlOf(admitted), watermark, scheduledDeletion });
  }

  #rules() {
    return { now: this.#stream.clock.now(), watermarks: this.#stream.settings.watermarks };
  }

  /** Checks the queue and the account's storage when the URL is created. [C] */
  #admit(kind: Video["kind"], creation: Creation): Video | Answer {
    const { settings, videos } = this.#stream;
    if (this.#stream.queued() >= settings.maxQueued) return refuseQueue(settings.maxQueued);
    if (!this.#fits(reservedSeconds(creation.maxDurationSeconds))) return refuseStorage();
    return videos.create(kind, creation);
  }

  #fits(seconds: number): boolean {
    return this.#stream.storedSeconds() + seconds <= this.#stream.settings.storageSeconds;
  }

  #list(query: URLSearchParams): Answer {
    const { limit, ascending, counts, matches } = readListing(query);
    const matching = this.#stream.videos.all().filter(matches);
    if (ascending) matching.reverse();
    const page = matching.slice(0, limit).map((video) => describeVideo(video));
    // Text, as in Cloudflare's sample. [S]
    return succeed(page, counts ? { total: String(matching.length), range: String(page.length) } : {});
  }

  #storageUsage(creator: string | undefined): Answer {
    const { videos, settings } = this.#stream;
    return succeed({
      ...(creator !== undefined && { creator }),
      totalStorageMinutes: this.#stream.storedSeconds(creator) / 60,
      totalStorageMinutesLimit: settings.storageSeconds / 60,
      videoCount: videos.all().filter((video) => creator === undefined || video.creator === creator).length,
    });
  }

  #putWebhook({ body }: ApiCall): Answer {
    const json = parseJson(body) as { notificationUrl?: unknown; notification_url?: unknown } | null;
    const url = json?.notificationUrl ?? json?.notification_url; // either name [C]
    demand(typeof url === "string" && /^https?:\/\//.test(url) && URL.canParse(url), "notificationUrl must be a URL");
    return succeed(this.#stream.webhook.set(url));
  }

  #one({ method, body }: ApiCall, video: Video): Answer {
    switch (method) {
      case "GET":
        return succeed(describeVideo(video));
      case "DELETE":
        this.#stream.delete(video); // also frees a reservation [C]
        return { status: 200 };
      case "POST":
        return this.#edit(video, parseJson(body));
      default:
        return fail(405, 10405, "Method not allowed"); // [U]
    }
  }

  #edit(video: Video, json: unknown): Answer {
    const pending = video.state === "pendingupload";
    const edit = readEdit(json, this.#rules(), { ...video, pending });
    const more =
      edit.maxDurationSeconds === undefined
        ? 0
        : reservedSeconds(edit.maxDurationSeconds) - reservedSeconds(video.maxDurationSeconds);
    if (more > 0 && !this.#fits(more)) return refuseStorage(); // [U]
    const changed = this.#stream.videos.update(video.uid, edit);
    return changed ? succeed(describeVideo(changed)) : fail(404, 10003, "video not found");
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new RuleBroken("the body is not JSON");
  }
}
