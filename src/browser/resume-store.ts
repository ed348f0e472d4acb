import type { PreviousUpload, UrlStorage } from "tus-js-client";
import { newKey } from "./gateway.ts";

/** What outlives a page: never a grant. */
export interface StoredUpload {
  /** Sent as `Idempotency-Key`. Stored before the creation, so that a reload during it makes no second video. */
  readonly key: string;
  /** Of the response to the creation; empty before. */
  readonly url: string;
  readonly id: string;
  readonly uid: string;
}

/** Remembers uploads in tus-js-client's storage of URLs. */
export interface ResumeStore {
  /** Takes over the upload of this file that an earlier page has begun, or begins one. */
  claim(file: File): Promise<StoredUpload>;
  save(file: File, upload: StoredUpload): Promise<void>;
  remove(upload: StoredUpload): Promise<void>;
  /** Leaves it to whoever claims the file next. */
  release(upload: StoredUpload): void;
}

export function createResumeStore(storage: UrlStorage, endpoint: string): ResumeStore {
  /** Uploads of this page by key, with their keys in the storage. Another upload of the same file does not take them over. */
  const claimed = new Map<string, string | undefined>();
  const fingerprintOf = ({ name, type, size, lastModified }: File) =>
    ["sluice", endpoint, name, type, size, lastModified].join("-");

  const store: ResumeStore = {
    async claim(file) {
      for (const { urlStorageKey, metadata } of await storage.findUploadsByFingerprint(fingerprintOf(file))) {
        const upload = metadata as Partial<StoredUpload>;
        if (!upload.key || claimed.has(upload.key)) continue;
        claimed.set(upload.key, urlStorageKey);
        return upload as StoredUpload;
      }
      const upload = { key: newKey(), url: "", id: "", uid: "" };
      await store.save(file, upload);
      return upload;
    },

    async save(file, upload) {
      await store.remove(upload);
      claimed.set(upload.key, undefined);
      try {
        const stored = { metadata: { ...upload }, uploadUrl: upload.url } as Partial<PreviousUpload> as PreviousUpload;
        claimed.set(upload.key, await storage.addUpload(fingerprintOf(file), stored));
      } catch {
        // A full storage must not stop the upload.
      }
    },

    async remove({ key }) {
      const storageKey = claimed.get(key);
      claimed.delete(key);
      if (storageKey) await storage.removeUpload(storageKey);
    },

    release: ({ key }) => void claimed.delete(key),
  };
  return store;
}
