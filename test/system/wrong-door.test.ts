import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type TestGateway, startTestGateway } from "../support/gateway.ts";
import { bearer, create, problemOf } from "../support/http.ts";

/** A request that belongs elsewhere is told where. */

let gateway: TestGateway;
let key: string;

beforeAll(async () => {
  gateway = await startTestGateway();
  key = await gateway.tenant("acme", { policy: { upload: { maxBytes: 10_000_000 } } });
});
afterAll(() => gateway.stop());

const post = (path: string, headers: Record<string, string>, body?: string | FormData) =>
  fetch(`${gateway.url}${path}`, { method: "POST", headers: { ...bearer(key), ...headers }, ...(body && { body }) });

function form(): FormData {
  const data = new FormData();
  data.set("file", new Blob(["video"]), "cats.mp4");
  return data;
}

describe("a request at the wrong door", () => {
  it.each(["/v1/acme/uploads", "/client/v4/accounts/acme/stream"])(
    "a form at %s is sent to direct-uploads",
    async (path) => {
      const { status, code, detail } = await problemOf(await post(path, {}, form()));
      expect([status, code]).toEqual([412, "tus_version_unsupported"]);
      expect(detail).toMatch(/^Tus-Resumable must be 1\.0\.0 .*as a form.*direct-uploads .*direct_upload/);
    },
  );

  it.each(["/v1/acme/direct-uploads", "/client/v4/accounts/acme/stream/direct_upload"])(
    "a form at %s is sent to the uploadURL, a tus creation to uploads",
    async (path) => {
      const refusedForm = await problemOf(await post(path, {}, form()));
      expect(refusedForm).toMatchObject({ status: 400, detail: expect.stringContaining("to its uploadURL") as string });
      const tus = await problemOf(await post(path, { "Tus-Resumable": "1.0.0", "Upload-Length": "5" }));
      expect(tus).toMatchObject({ status: 400, detail: expect.stringContaining("go to uploads") as string });
    },
  );

  it("a creation without a credential is told where a grant goes", async () => {
    const { status, code, detail } = await problemOf(await create(gateway.url, "acme", {}));
    expect([status, code]).toEqual([401, "credential_missing"]);
    expect(detail).toContain("metadata key grant");
  });

  it("a basic link under a maxBytes below 200 MB is sent to tus", async () => {
    const json = { "Content-Type": "application/json" };
    const { status, code, detail } = await problemOf(await post("/v1/acme/direct-uploads", json, "{}"));
    expect([status, code]).toEqual([413, "upload_too_large"]);
    expect(detail).toMatch(
      /at most 10000000 bytes, and a basic link accepts up to 200000000: create the upload by tus/,
    );
  });

  it("bytes at the endpoint are sent to the Location", async () => {
    const answer = await create(gateway.url, "acme", bearer(key), { method: "PATCH", body: "bytes" });
    expect((await problemOf(answer)).detail).toContain("send their bytes to the Location");
  });
});
