import Uppy from "@uppy/core";
import Tus from "@uppy/tus";
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
};

function chosenFile(): File {
  const file = document.querySelector("input")?.files?.[0];
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
