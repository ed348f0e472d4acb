import { Upload, defaultOptions } from "tus-js-client";
import { type Gateway, gatewayOf } from "./gateway.ts";
import type { BrowserUpload, UploadOptions, UploadState, UploadedFile, Uploader, UploaderOptions } from "./options.ts";
import { type ResumeStore, type StoredUpload, createResumeStore } from "./resume-store.ts";
import { RETRY_DELAYS_MS, type Session, createSession, never } from "./session.ts";
import { CANCELLED, UploadError, uploadErrorOf } from "./upload-error.ts";

/** Uploads files of this page through a gateway. Throws a `RangeError` if Stream does not accept the chunk size. */
export function createUploader(options: UploaderOptions): Uploader {
  const { storage = defaultOptions.urlStorage } = options;
  const context = { ...options, ...gatewayOf(options), store: createResumeStore(storage, options.endpoint) };
  return { upload: (file, uploadOptions = {}) => startUpload(context, file, uploadOptions) };
}

interface UploadContext extends Gateway<File>, Pick<UploaderOptions, "cancelEarlierUpload"> {
  readonly store: ResumeStore;
}

/** Stops tus-js-client after a replayed creation: its upload may have bytes already. */
const ASK_FOR_OFFSET = new UploadError("no_response", "");

/** Uploads one file. */
function startUpload(context: UploadContext, file: File, options: UploadOptions): BrowserUpload {
  let state: UploadState = { name: "starting" };
  let stored: StoredUpload;
  let session: Session;
  let tus: Upload;
  /** Paused, cancelled or ended. */
  let isStopped = false;
  let aborting: Promise<void> | undefined;
  let resolve!: (file: UploadedFile) => void;
  let reject!: (error: UploadError) => void;
  const done = new Promise<UploadedFile>((...settle) => ([resolve, reject] = settle));
  // A page may listen to `onState` only.
  done.catch(() => {});

  function change(name: UploadState["name"], more?: Partial<UploadState>): void {
    state = { name, ...more } as UploadState;
    options.onState?.(state);
  }

  async function fail(error: UploadError): Promise<void> {
    isStopped = true;
    // Without a response, there may be an upload: whoever tries this file again continues it.
    const isRefused = !stored.url && error.code !== "no_response";
    await (isRefused ? context.store.remove(stored) : context.store.release(stored));
    change("failed", { error });
    reject(error);
  }

  /** Tells tus-js-client where to upload. While there is a URL, it may not create another upload. */
  function direct(next: StoredUpload): void {
    stored = next;
    tus.url = next.url || null;
    tus.options.endpoint = next.url ? null : context.endpoint;
  }

  async function prepare(): Promise<void> {
    stored = await context.store.claim(file);
    session = createSession(context, file, stored.key);
    tus = new Upload(file, {
      chunkSize: context.chunkSize,
      metadata: { name: file.name, ...(file.type && { filetype: file.type }), ...options.metadata },
      retryDelays: RETRY_DELAYS_MS,
      storeFingerprintForResuming: false,
      async onBeforeRequest(request) {
        // tus-js-client ignores an abort between its start and its first request.
        if (isStopped) await never();
        if (state.name === "waiting") change("starting");
        await session.before(request);
      },
      async onAfterResponse(request, response) {
        const after = session.after(request, response);
        const header = (name: string) => response.getHeader(name) ?? "";
        const url = request.getMethod() === "POST" && header("Location");
        if (url) {
          direct({ key: stored.key, url, id: header("Sluice-Upload-Id"), uid: header("Stream-Media-Id") });
          await context.store.save(file, stored);
        }
        await after;
        if (url && header("Idempotency-Replayed")) throw ASK_FOR_OFFSET;
      },
      onProgress(bytesSent, bytesTotal) {
        if (state.name === "starting") change("uploading");
        options.onProgress?.(bytesSent, bytesTotal);
      },
      onShouldRetry(cause, attempt) {
        if (isStopped || !navigator.onLine) return false;
        if (cause.causingError === ASK_FOR_OFFSET) {
          RETRY_DELAYS_MS[attempt] = 0;
          return true;
        }
        const { error, remedy, seconds } = session.failed(cause, attempt);
        if (remedy === "give up") return false;
        if (remedy === "new url") direct({ ...stored, url: "" });
        if (seconds > 0) change("waiting", { until: Date.now() + seconds * 1000, error });
        return true;
      },
      onError(cause) {
        const error = uploadErrorOf(cause);
        if (isStopped) return;
        if (navigator.onLine) void fail(error);
        else {
          change("waiting", { error });
          addEventListener("online", start, { once: true });
        }
      },
      onSuccess() {
        isStopped = true;
        void context.store.remove(stored);
        change("uploaded");
        resolve(stored);
      },
    });
    direct(stored);
    if (!isStopped) change("starting");
    start();
  }

  function start(): void {
    if (!isStopped) tus.start();
  }

  async function cancel(): Promise<void> {
    isStopped = true;
    await prepared;
    await tus.abort();
    if (!(await session.cancel()) && stored.id) await context.cancelEarlierUpload?.(stored.id);
    await context.store.remove(stored);
    change("cancelled");
    reject(CANCELLED);
  }

  const prepared = prepare();

  return {
    get state() {
      return state;
    },
    done,
    pause() {
      if (isStopped) return;
      isStopped = true;
      void prepared.then(() => tus.abort());
      change("paused");
    },
    resume() {
      if (state.name !== "paused") return;
      isStopped = false;
      change("starting");
      // Later than the first request of a start before, which must see that it was stopped.
      setTimeout(() => void prepared.then(start));
    },
    abort() {
      aborting ??= cancel().catch((error: unknown) => {
        aborting = undefined;
        throw error;
      });
      return aborting;
    },
  };
}
