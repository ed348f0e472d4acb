import type { Scope } from "../../src/core/auth/rules/scopes.ts";

const CAPTIONS = "WEBVTT\n\n00:00.000 --> 00:01.000\nHello\n";

const A_COPY = { input: "https://videos.example.com/cats.mp4" };
const A_CLIP = { startTimeSeconds: 0, endTimeSeconds: 1 };

/** The same call below `/v1/:tenant/uploads` and in Cloudflare's path. */
const both = <const R extends { method: string; path: string; scope: string; success: number }>(route: R) => [
  { ...route, path: `/v1/:tenant/uploads${route.path}` },
  { ...route, path: `/client/v4/accounts/:tenant/stream${route.path}`, success: 200 },
];

/**
 * Every route that accepts a tenant's credential; `:id` is an upload's id or uid. `needs` is what has to be there for `success`.
 * Add new routes here.
 */
export const ROUTES: readonly [Route, Route, Route, ...Route[]] = [
  { method: "POST", path: "/v1/:tenant/uploads", scope: "uploads:create", tus: true, success: 201 },
  { method: "GET", path: "/v1/:tenant/uploads", scope: "uploads:read", success: 200 },
  { method: "GET", path: "/v1/:tenant/uploads/:id", scope: "uploads:read", success: 200 },
  { method: "GET", path: "/v1/:tenant/uploads/:id?view=stream", scope: "uploads:read", success: 200 },
  { method: "DELETE", path: "/v1/:tenant/uploads/:id", scope: "uploads:delete", success: 200 },
  {
    method: "PATCH",
    path: "/v1/:tenant/uploads/:id",
    scope: "uploads:edit",
    body: { meta: { name: "new" } },
    success: 200,
  },
  { method: "POST", path: "/v1/:tenant/direct-uploads", scope: "uploads:create", body: {}, success: 201 },
  { method: "POST", path: "/client/v4/accounts/:tenant/stream", scope: "uploads:create", tus: true, success: 201 },
  {
    method: "POST",
    path: "/client/v4/accounts/:tenant/stream/direct_upload",
    scope: "uploads:create",
    body: {},
    success: 200,
  },
  { method: "POST", path: "/v1/:tenant/copies", scope: "uploads:copy", body: A_COPY, success: 201 },
  {
    method: "POST",
    path: "/client/v4/accounts/:tenant/stream/copy",
    scope: "uploads:copy",
    body: A_COPY,
    success: 200,
  },
  {
    method: "POST",
    path: "/v1/:tenant/uploads/:id/clips",
    scope: "uploads:copy",
    body: A_CLIP,
    needs: "ready",
    success: 201,
  },
  {
    method: "POST",
    // The query, which is ignored, says what the body names.
    path: "/client/v4/accounts/:tenant/stream/clip?of=:id",
    scope: "uploads:copy",
    body: { ...A_CLIP, clippedFromVideoUID: ":of" },
    needs: "ready",
    success: 200,
  },
  { method: "GET", path: "/client/v4/accounts/:tenant/stream", scope: "uploads:read", success: 200 },
  { method: "GET", path: "/client/v4/accounts/:tenant/stream/storage-usage", scope: "usage:read", success: 200 },
  { method: "GET", path: "/client/v4/accounts/:tenant/stream/:id", scope: "uploads:read", success: 200 },
  {
    method: "POST",
    path: "/client/v4/accounts/:tenant/stream/:id",
    scope: "uploads:edit",
    body: { meta: { name: "new" } },
    success: 200,
  },
  { method: "DELETE", path: "/client/v4/accounts/:tenant/stream/:id", scope: "uploads:delete", success: 200 },
  { method: "POST", path: "/v1/:tenant/grants", scope: "grants:create", body: {}, success: 201 },
  { method: "GET", path: "/v1/:tenant/policy", scope: "policy:read", success: 200 },
  { method: "GET", path: "/v1/:tenant/usage", scope: "usage:read", success: 200 },
  { method: "POST", path: "/v1/:tenant/policy/check", scope: "policy:read", body: { length: 1 }, success: 200 },
  { method: "POST", path: "/v1/:tenant/uploads/:id/playback", scope: "playback:sign", body: {}, success: 200 },
  {
    method: "POST",
    path: "/client/v4/accounts/:tenant/stream/:id/token",
    scope: "playback:sign",
    body: {},
    success: 200,
  },
  ...both({ method: "GET", path: "/:id/captions", scope: "uploads:read", needs: "ready", success: 200 }),
  ...both({
    method: "PUT",
    path: "/:id/captions/:language",
    scope: "uploads:edit",
    form: CAPTIONS,
    needs: "ready",
    success: 200,
  }),
  ...both({ method: "GET", path: "/:id/captions/:language", scope: "uploads:read", needs: "captions", success: 200 }),
  ...both({
    method: "GET",
    path: "/:id/captions/:language/vtt",
    scope: "uploads:read",
    needs: "captions",
    success: 200,
  }),
  ...both({
    method: "DELETE",
    path: "/:id/captions/:language",
    scope: "uploads:edit",
    needs: "captions",
    success: 204,
  }),
  ...both({ method: "GET", path: "/:id/downloads", scope: "uploads:read", needs: "downloads", success: 200 }),
  ...both({ method: "POST", path: "/:id/downloads", scope: "uploads:edit", needs: "ready", success: 200 }),
  ...both({ method: "DELETE", path: "/:id/downloads", scope: "uploads:edit", needs: "downloads", success: 204 }),
  { method: "GET", path: "/client/v4/accounts/:tenant/stream/watermarks", scope: "policy:read", success: 200 },
  {
    method: "GET",
    path: "/client/v4/accounts/:tenant/stream/watermarks/:profile",
    scope: "policy:read",
    success: 200,
  },
];

export interface Route {
  readonly method: string;
  readonly path: string;
  readonly scope: Scope;
  readonly tus?: true;
  /** JSON. */
  readonly body?: object;
  /** The one part, `file`, of a form. */
  readonly form?: string;
  readonly needs?: "ready" | "captions" | "downloads";
  readonly success: number;
}

/** A valid request to a route, but for the credential. `path` is the route's path with its tenant and id. */
export function requestTo(
  route: Route,
  path: string,
  headers: Readonly<Record<string, string>>,
): [string, RequestInit] {
  const json = route.body ? { "Content-Type": "application/json" } : {};
  const tus = route.tus ? { "Tus-Resumable": "1.0.0", "Upload-Length": "5" } : {};
  const url = path.replace(":language", "en").replace(":profile", LOCAL_WATERMARK);
  return [
    url,
    {
      method: route.method,
      headers: { ...json, ...tus, ...headers },
      ...(route.body && { body: JSON.stringify(route.body).replace(":of", /of=(\w+)/.exec(url)?.[1] ?? "") }),
      ...(route.form !== undefined && { body: formOf(route.form) }),
    },
  ];
}

/** A form with one part, `file`. */
export function formOf(text: string): FormData {
  const form = new FormData();
  form.set("file", new File([text], "captions.vtt", { type: "text/vtt" }));
  return form;
}

/** A profile that the local Stream has. */
export const LOCAL_WATERMARK = "ea95132c15732412d22c1476fa83f27a";
