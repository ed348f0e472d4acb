import type { IncomingHttpHeaders } from "node:http";
import { type Answer, fail } from "./http.ts";
import { refuseCredential, refuseRate } from "./refusals.ts";
import { CAPTIONS } from "./routes/captions.ts";
import { CREATIONS } from "./routes/creations.ts";
import { DOWNLOADS } from "./routes/downloads.ts";
import { KEYS } from "./routes/keys.ts";
import type { ApiCall, Route } from "./routes/route.ts";
import { TOKENS } from "./routes/tokens.ts";
import { VIDEOS } from "./routes/videos.ts";
import { WATERMARKS } from "./routes/watermarks.ts";
import { WEBHOOK } from "./routes/webhook.ts";
import type { Stream } from "./stream.ts";
import { RuleBroken, demand } from "./values.ts";

/** The first whose path and method match answers: fixed names stand before `/:uid`. */
const ROUTES: readonly Route[] = [
  ...CREATIONS,
  ...WEBHOOK,
  ...KEYS,
  ...WATERMARKS,
  ...VIDEOS,
  ...CAPTIONS,
  ...DOWNLOADS,
  ...TOKENS,
];

const PATH = /^\/client\/v4\/accounts\/([^/]+)\/stream((?:\/[^/]+)*)$/;
/** [C] */
const MAX_ACCOUNT_CHARACTERS = 32;

/** Cloudflare's Stream API for one account. */
export class StreamApi {
  readonly #stream: Stream;

  constructor(stream: Stream) {
    this.#stream = stream;
  }

  async answer(call: Omit<ApiCall, "parameters">): Promise<Answer> {
    const { settings, clock, apiLimit } = this.#stream;
    if (!this.#authenticated(call.headers)) return refuseCredential(401);
    // The limit is per user, so calls without a valid credential do not count. [U]
    const blockedSeconds = apiLimit.count(clock.now());
    if (blockedSeconds !== undefined) return refuseRate(settings.apiLimit, blockedSeconds);
    const [path, account = "", resource = ""] = PATH.exec(call.url.pathname) ?? [];
    if (path === undefined) return fail(404, 10003, "no such path");
    this.#stream.deleteScheduled();
    try {
      demand(account.length <= MAX_ACCOUNT_CHARACTERS, `account_id has at most ${MAX_ACCOUNT_CHARACTERS} characters`);
      if (account !== settings.accountId) return fail(404, 10003, "account not found");
      return await this.#route(call, resource.split("/").slice(1));
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

  #route(call: Omit<ApiCall, "parameters">, segments: readonly string[]): Answer | Promise<Answer> {
    let exists = false;
    for (const { method, path, answer } of ROUTES) {
      const parameters = matchPath(path, segments);
      if (parameters && method === call.method) return answer(this.#stream, { ...call, parameters });
      exists ||= parameters !== undefined;
    }
    return exists ? fail(405, 10405, "Method not allowed") : fail(404, 10003, "no such path"); // [U]
  }
}

/** @returns the values of the pattern's parameters, `undefined` if the path is another */
function matchPath(pattern: string, segments: readonly string[]): Record<string, string> | undefined {
  const names = pattern.split("/").slice(1).filter(Boolean);
  if (names.length !== segments.length) return undefined;
  const parameters: Record<string, string> = {};
  for (const [index, name] of names.entries()) {
    const segment = segments[index] ?? "";
    if (name.startsWith(":")) parameters[name.slice(1)] = segment;
    else if (name !== segment) return undefined;
  }
  return parameters;
}
