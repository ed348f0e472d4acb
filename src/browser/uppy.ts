import type { DetailedError, HttpRequest, HttpResponse } from "tus-js-client";
import { gatewayOf, newKey } from "./gateway.ts";
import type { GatewayOptions } from "./options.ts";
import { RETRY_DELAYS_MS, type Session, createSession, never } from "./session.ts";
import type { UploadError } from "./upload-error.ts";

/** What is used of a file of Uppy. */
export interface UppyUploadFile {
  readonly id: string;
  readonly name?: string;
  readonly size: number | null;
  readonly type?: string;
  readonly meta: Readonly<Record<string, unknown>>;
}

export interface UppyGatewayOptions extends GatewayOptions<UppyUploadFile> {
  /** Fields of `meta` that are sent besides `name` and `type`. */
  readonly metaFields?: readonly string[];
  /** Called when a file waits, e.g. to show it. */
  readonly onWait?: (fileId: string, seconds: number, error: UploadError) => void;
}

/** Options of `@uppy/tus`. */
export interface UppyTusOptions {
  readonly endpoint: string;
  readonly chunkSize: number;
  readonly allowedMetaFields: string[];
  readonly removeFingerprintOnSuccess: true;
  readonly retryDelays: number[];
  onBeforeRequest(request: HttpRequest, file: UppyUploadFile): Promise<void>;
  onAfterResponse(request: HttpRequest, response: HttpResponse): Promise<void>;
  onShouldRetry(
    error: DetailedError,
    attempt: number,
    options: unknown,
    next: (error: DetailedError) => boolean,
  ): boolean;
}

/** For `uppy.use(Tus, uppyTusOptions({ endpoint, getGrant }))`: as with `createUploader`, each file gets its own grant. */
export function uppyTusOptions(options: UppyGatewayOptions): UppyTusOptions {
  const gateway = gatewayOf(options);
  const sessions = new Map<string, Session>();
  const files = new WeakMap<HttpRequest, UppyUploadFile>();

  function sessionOf(file: UppyUploadFile): Session {
    const session = sessions.get(file.id) ?? createSession(gateway, file, newKey());
    sessions.set(file.id, session);
    return session;
  }

  return {
    endpoint: gateway.endpoint,
    chunkSize: gateway.chunkSize,
    allowedMetaFields: ["name", "type", ...(options.metaFields ?? [])],
    removeFingerprintOnSuccess: true,
    retryDelays: RETRY_DELAYS_MS,

    async onBeforeRequest(request, file) {
      files.set(request, file);
      const session = sessionOf(file);
      // Uppy shows no error of a cancellation. An upload that is not cancelled ends when its URL expires.
      const cancel = () => session.cancel().catch(() => {});
      await session.before(request);
      const method = request.getMethod();
      // The file is removed, or paused: then the upload is created again.
      if (method === "POST") {
        const abort = request.abort.bind(request);
        request.abort = () => {
          void cancel();
          return abort();
        };
      }
      if (method !== "DELETE") return;
      sessions.delete(file.id);
      await cancel();
      // Stream does not support tus-js-client's DELETE.
      await never();
    },

    async onAfterResponse(request, response) {
      const file = files.get(request);
      if (!file) return;
      const session = sessionOf(file);
      if (request.getMethod() !== "POST" && Number(response.getHeader("Upload-Offset")) === file.size)
        sessions.delete(file.id);
      await session.after(request, response);
    },

    onShouldRetry(cause, attempt, _, next) {
      const file = files.get(cause.originalRequest);
      if (!file) return false;
      // Uppy goes on when the browser is online again.
      if (!navigator.onLine) return next(cause);
      const { error, remedy, seconds } = sessionOf(file).failed(cause, attempt);
      // Before version 6, Uppy discards the response before it shows the error.
      cause.causingError = error;
      if (remedy === "give up") {
        // If the person tries again, it is another upload.
        if (error.status) sessions.delete(file.id);
        return false;
      }
      if (seconds > 0) options.onWait?.(file.id, seconds, error);
      return true;
    },
  };
}
