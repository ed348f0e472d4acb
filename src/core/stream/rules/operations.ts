import type { Scope } from "../../auth/rules/scopes.ts";
import type { Feature } from "../../policy/rules/features.ts";
import { isJsonObject } from "../../shared/json.ts";
import { isWebVtt } from "./webvtt.ts";

/** One call of Cloudflare's API that a tenant may make. */
export interface Operation {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** Below `/accounts/:tenant/stream`. */
  readonly path: string;
  readonly scope: Scope;
  /** What the policy has to allow. */
  readonly feature?: Feature;
  /** Calls that it takes from the upstream's budget, at most. */
  readonly calls: 0 | 1 | 2;
  /**
   * What of Stream's answer passes, for a call that is handed on to Stream; `undefined` if it is no answer of Stream's, but perhaps that
   * of a proxy. The others are use cases of their own.
   */
  readonly answer?: (result: unknown) => unknown;
}

type Shown = Readonly<Record<string, unknown>>;

/** Keeps these members of an object. None of them is a list or an object. */
const only =
  (...names: readonly string[]) =>
  (result: unknown): Shown | undefined =>
    isJsonObject(result)
      ? Object.fromEntries(
          names
            .map((name) => [name, Object.hasOwn(result, name) ? result[name] : undefined] as const)
            .filter(([, value]) => value !== undefined && (value === null || typeof value !== "object")),
        )
      : undefined;

type Show = ReturnType<typeof only>;

/** An answer without anything may be null. */
const listOf =
  (show: Show) =>
  (result: unknown): readonly Shown[] | undefined =>
    result === null ? [] : Array.isArray(result) ? allOf(result.map(show)) : undefined;

/** An object of such objects. */
const byName =
  (show: Show) =>
  (result: unknown): Shown | undefined => {
    if (result !== null && !isJsonObject(result)) return undefined;
    const entries = Object.entries(result ?? {});
    const shown = allOf(entries.map(([, value]) => show(value)));
    return shown && Object.fromEntries(entries.map(([name], index) => [name, shown[index]]));
  };

function allOf(shown: readonly (Shown | undefined)[]): readonly Shown[] | undefined {
  const known = shown.filter((one) => one !== undefined);
  return known.length === shown.length ? known : undefined;
}

/** Stream answers a deletion with a text of its own. */
const nothing = () => "";
const captionFile = (text: unknown) => (typeof text === "string" && isWebVtt(text) ? text : undefined);

const caption = only("language", "label", "generated", "status");
const downloads = byName(only("status", "percentComplete", "url"));
/** Not `downloadedFrom`, which may be a link with a signature. */
const watermark = only("uid", "name", "created", "size", "width", "height", "opacity", "padding", "position", "scale");

/**
 * All that is offered below `/accounts/:tenant/stream`. Everything else there is refused: see `matchOperation`.
 *
 * @see https://developers.cloudflare.com/api/resources/stream/
 */
export const OPERATIONS = {
  createDirectUpload: { method: "POST", path: "/direct_upload", scope: "uploads:create", calls: 1 },
  copyVideo: { method: "POST", path: "/copy", scope: "uploads:copy", feature: "copy", calls: 1 },
  clipVideo: { method: "POST", path: "/clip", scope: "uploads:copy", feature: "clip", calls: 2 },
  readStorageUsage: { method: "GET", path: "/storage-usage", scope: "usage:read", calls: 0 },
  readVideo: { method: "GET", path: "/:uid", scope: "uploads:read", calls: 1 },
  editVideo: { method: "POST", path: "/:uid", scope: "uploads:edit", feature: "edit", calls: 2 },
  deleteVideo: { method: "DELETE", path: "/:uid", scope: "uploads:delete", calls: 1 },
  signToken: { method: "POST", path: "/:uid/token", scope: "playback:sign", feature: "playback", calls: 1 },

  listCaptions: about("captions", "GET", "/captions", "uploads:read", listOf(caption)),
  readCaption: about("captions", "GET", "/captions/:language", "uploads:read", caption),
  putCaption: about("captions", "PUT", "/captions/:language", "uploads:edit", caption),
  deleteCaption: about("captions", "DELETE", "/captions/:language", "uploads:edit", nothing),
  readCaptionFile: about("captions", "GET", "/captions/:language/vtt", "uploads:read", captionFile),

  readDownloads: about("downloads", "GET", "/downloads", "uploads:read", downloads),
  createDownload: about("downloads", "POST", "/downloads", "uploads:edit", downloads),
  deleteDownloads: about("downloads", "DELETE", "/downloads", "uploads:edit", nothing),

  listWatermarks: { method: "GET", path: "/watermarks", scope: "policy:read", calls: 1, answer: listOf(watermark) },
  readWatermark: { method: "GET", path: "/watermarks/:profile", scope: "policy:read", calls: 1, answer: watermark },
} as const satisfies Readonly<Record<string, Operation>>;

export type OperationName = keyof typeof OPERATIONS;

/** Of a video that an upload made. */
function about<M extends Operation["method"], P extends string>(
  feature: Feature,
  method: M,
  path: P,
  scope: Scope,
  answer: NonNullable<Operation["answer"]>,
) {
  return { method, path: `/:uid${path}` as const, scope, feature, calls: 1, answer } as const;
}

/** First segments that Cloudflare's API gives a meaning, so that they are never a uid. */
const NAMES: ReadonlySet<string> = new Set(
  "clip copy direct_upload keys live_inputs storage-usage watermarks webhook".split(" "),
);

export type MatchedOperation =
  | {
      readonly kind: "operation";
      readonly name: OperationName;
      /** By name, such as `uid`; as the client wrote them. */
      readonly parameters: Readonly<Record<string, string>>;
    }
  | { readonly kind: "other method"; readonly allow: readonly string[] }
  | { readonly kind: "not offered" };

/** @param path below `/accounts/:tenant/stream`, without a slash at its end */
export function matchOperation(method: string, path: string): MatchedOperation {
  const allow: string[] = [];
  for (const name of Object.keys(OPERATIONS) as OperationName[]) {
    const operation = OPERATIONS[name];
    const parameters = parametersOf(operation.path, path);
    if (!parameters) continue;
    if (operation.method === method) return { kind: "operation", name, parameters };
    allow.push(operation.method);
  }
  return allow.length > 0 ? { kind: "other method", allow } : { kind: "not offered" };
}

function parametersOf(pattern: string, path: string): Record<string, string> | undefined {
  const [parts, segments] = [pattern.split("/"), path.split("/")];
  if (parts.length !== segments.length) return undefined;
  const parameters: Record<string, string> = {};
  for (const [index, part] of parts.entries()) {
    const segment = segments[index] ?? "";
    if (!part.startsWith(":")) {
      if (part !== segment) return undefined;
    } else if (segment === "" || (part === ":uid" && NAMES.has(segment))) return undefined;
    else parameters[part.slice(1)] = segment;
  }
  return parameters;
}
