import type { PreviousUpload, UrlStorage } from "tus-js-client";
import { beforeEach, describe, expect, it } from "vitest";
import { type ResumeStore, createResumeStore } from "../../../src/browser/resume-store.ts";

const ENDPOINT = "https://gateway.example/v1/acme/uploads";
const file = new File(["12345"], "cats.mp4", { type: "video/mp4", lastModified: 1 });

class MemoryStorage implements UrlStorage {
  readonly entries = new Map<string, PreviousUpload>();
  findAllUploads = () => this.findUploadsByFingerprint("");
  async findUploadsByFingerprint(fingerprint: string) {
    return [...this.entries].filter(([key]) => key.startsWith(fingerprint)).map(([, upload]) => upload);
  }
  async removeUpload(key: string) {
    this.entries.delete(key);
  }
  async addUpload(fingerprint: string, upload: PreviousUpload) {
    const key = `${fingerprint}::${this.entries.size}-${Math.random()}`;
    this.entries.set(key, { ...upload, urlStorageKey: key });
    return key;
  }
}

let storage: MemoryStorage;
/** Of one page. */
const openStore = (): ResumeStore => createResumeStore(storage, ENDPOINT);
beforeEach(() => {
  storage = new MemoryStorage();
});

describe("createResumeStore", () => {
  it("keeps the key of a creation over a reload, before there is a response", async () => {
    const before = await openStore().claim(file);
    expect(before).toMatchObject({ url: "", id: "", uid: "" });
    expect(await openStore().claim(file)).toEqual(before);
  });

  it("keeps what the gateway has answered, in one entry", async () => {
    const store = openStore();
    const created = { ...(await store.claim(file)), url: "https://host/tus/1", id: "u-1", uid: "v-1" };
    await store.save(file, created);
    expect(storage.entries.size).toBe(1);
    expect(await openStore().claim(file)).toEqual(created);
  });

  it("gives each upload of one page its own key, also of the same file", async () => {
    const store = openStore();
    const [one, other] = [await store.claim(file), await store.claim(file)];
    expect(one.key).not.toBe(other.key);
  });

  it("forgets a removed upload, and leaves a released one to the next", async () => {
    const store = openStore();
    const upload = await store.claim(file);
    store.release(upload);
    expect(await store.claim(file)).toEqual(upload);
    await store.remove(upload);
    expect(storage.entries.size).toBe(0);
    expect((await store.claim(file)).key).not.toBe(upload.key);
  });

  it("tells files apart", async () => {
    await openStore().claim(file);
    const other = new File(["12345"], "cats.mp4", { type: "video/mp4", lastModified: 2 });
    await openStore().claim(other);
    expect(storage.entries.size).toBe(2);
  });

  it("goes on when the storage is full", async () => {
    storage.addUpload = () => {
      throw new DOMException("full", "QuotaExceededError");
    };
    expect(await openStore().claim(file)).toMatchObject({ key: expect.any(String) as string });
  });
});
