import Uppy from "@uppy/core";
import Tus from "@uppy/tus";
import { type BrowserUpload, UploadError, createUploader, uploadErrorOf, uppyTusOptions } from "sluice/browser";
import * as tus from "tus-js-client";
import { CHUNK_BYTES, type PageActions, READ_HEADERS, type Uploaded } from "./wire.ts";

/** Short, since nothing is slow here, but not empty, so that a client could retry. */
const RETRY_DELAYS_MS = [0, 50];

const actions: PageActions = {
  async uploadByUppy(endpoint, grant) {
    const uppy = new Uppy({ meta: { grant } }).use(Tus, {
      endpoint,
      chunkSize: CHUNK_BYTES,
      allowedMetaFields: ["grant", "name", "type"],
      retryDelays: RETRY_DELAYS_MS,
    });
    const failed = new Promise<Uploaded>((resolve) => uppy.on("upload-error", (_, error) => resolve(refusedBy(error))));
    const data = chosenFile();
    uppy.addFile({ name: data.name, type: data.type, data });
    const uploaded = uppy.upload().then((result): Uploaded | Promise<Uploaded> => {
      const [file] = result?.successful ?? [];
      return file ? { outcome: "uploaded", url: file.uploadURL ?? "" } : failed;
    });
    return uploaded;
  },

  async uploadByTus({ endpoint, metadata, token, headers, isInterrupted, bytesDuringCreation }) {
    const { promise, resolve } = Promise.withResolvers<Uploaded>();
    const during = bytesDuringCreation;
    const file =
      during === undefined ? chosenFile() : new File([new Uint8Array(during)], "zeros.mp4", { type: "video/mp4" });
    const upload = new tus.Upload(file, {
      endpoint,
      chunkSize: during ?? CHUNK_BYTES,
      uploadDataDuringCreation: during !== undefined,
      retryDelays: RETRY_DELAYS_MS,
      metadata: { name: file.name, filetype: file.type, ...metadata },
      onBeforeRequest(request) {
        if (request.getURL() !== endpoint) return;
        if (token !== undefined) request.setHeader("Authorization", `Bearer ${token}`);
        for (const [name, value] of Object.entries(headers ?? {})) request.setHeader(name, value);
      },
      onChunkComplete() {
        if (!isInterrupted) return;
        resolve({ outcome: "interrupted", url: upload.url ?? "" });
        void upload.abort();
      },
      onSuccess: () => resolve({ outcome: "uploaded", url: upload.url ?? "" }),
      onError: (error) => resolve(refusedBy(error)),
    });
    const [previous] = await upload.findPreviousUploads();
    if (previous) upload.resumeFromPreviousUpload(previous);
    upload.start();
    return promise;
  },

  async startHelper({ cancelsEarlier = false, ...options }) {
    const uploader = createUploader({
      chunkSize: CHUNK_BYTES,
      ...options,
      getGrant: (file) => getGrant(file.name),
      ...(cancelsEarlier && { cancelEarlierUpload }),
    });
    uploads = chosenFiles().map((file, index) =>
      uploader.upload(file, { onState: ({ name }) => index === 0 && states.push(name) }),
    );
  },
  helperOutcomes: () => Promise.all(uploads.map(({ done }) => done.then(({ id, uid }) => ({ id, uid }), describe))),
  helperStates: async () => states,
  pauseHelper: async () => uploads[0]?.pause(),
  resumeHelper: async () => uploads[0]?.resume(),
  abortHelper: async () =>
    uploads[0]?.abort().then(
      () => undefined,
      (error: unknown) => describe(error).code,
    ),

  async startUppyHelper(options) {
    uppy = new Uppy().use(
      Tus,
      uppyTusOptions({
        chunkSize: CHUNK_BYTES,
        ...options,
        getGrant: (file) => getGrant(file.name ?? ""),
        onWait: (_, seconds) => waits.push(seconds),
      }),
    );
    uppy.on("upload-error", (_, error) => errors.push(uploadErrorOf(error).code));
    for (const data of chosenFiles()) uppy.addFile({ name: data.name, type: data.type, data });
    uppyResult = uppy.upload();
  },
  async uppyOutcome() {
    const result = await uppyResult;
    return { uploaded: result?.successful?.map(({ name }) => name) ?? [], errors, waits };
  },
  async removeFirstUppyFile() {
    uppy.removeFile(uppy.getFiles()[0]?.id ?? "");
  },

  storage: async () => JSON.stringify(localStorage),
};

/** Exposed by the test. */
declare function getGrant(fileName: string): Promise<string>;
declare function cancelEarlierUpload(uploadId: string): Promise<void>;

let uploads: BrowserUpload[] = [];
const states: string[] = [];
let uppy: Uppy;
let uppyResult: ReturnType<Uppy["upload"]>;
const errors: string[] = [];
const waits: number[] = [];

function describe(error: unknown) {
  if (!(error instanceof UploadError)) throw error;
  const { code, status, retryAfterSeconds } = error;
  return { code, status, retryAfterSeconds };
}

const chosenFiles = () => [...(document.querySelector("input")?.files ?? [])];

function chosenFile(): File {
  const [file] = chosenFiles();
  if (!file) throw new Error("No file is chosen.");
  return file;
}

function refusedBy(error: unknown): Uploaded {
  const response = (error as Partial<tus.DetailedError>).originalResponse;
  return {
    outcome: "refused",
    status: response?.getStatus() ?? 0,
    body: response?.getBody() ?? "",
    headers: Object.fromEntries(READ_HEADERS.map((name) => [name, response?.getHeader(name)])),
  };
}

Object.assign(globalThis, actions);
