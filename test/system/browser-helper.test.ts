import { SignJWT, decodeJwt, decodeProtectedHeader } from "jose";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Browser, type BrowserPage, startBrowser } from "../support/browser.ts";
import { emptyFile, videoFile } from "../support/files.ts";
import { type TestGateway, startTestGateway } from "../support/gateway.ts";
import { bearer } from "../support/http.ts";

/** `sluice/browser` in Chromium, against the local Stream. Its page has another origin than the gateway. */

/** Three chunks, the last one short. */
const BYTES = 11 * 1024 * 1024 + 123;

const cats = videoFile({ name: "cats.mp4", seconds: 3, bytes: BYTES });
const empty = emptyFile("empty.mp4");
const dogs = videoFile({ name: "dogs.mp4", seconds: 2, bytes: 6 * 1024 * 1024 });
let harness: TestGateway;
let browser: Browser;
let page: BrowserPage;
let key: string;
/** Grants that the page has got. */
let grants: string[];
/** Changes a grant on its way to the page. */
let mangle: (grant: string) => string | Promise<string>;

beforeAll(async () => {
  [harness, browser] = await Promise.all([startTestGateway(), startBrowser()]);
});
afterAll(() => Promise.all([harness.stop(), browser.stop()]));
beforeEach(async () => {
  harness.stream.clearFaults();
  harness.stream.clearRequests();
  harness.log.length = 0;
  grants = [];
  mangle = (grant) => grant;
});

/** A tenant of its own, and a page that gets a grant for each file. */
async function open(tenant: string, document: object = {}) {
  key = await harness.tenant(tenant, document);
  page = await browser.open();
  await page.expose("getGrant", async () => {
    const { grant } = await call("POST", `/v1/${tenant}/grants`, { subject: "user-1" });
    grants.push(await mangle(String(grant)));
    return grants.at(-1);
  });
  return `${harness.url}/v1/${tenant}/uploads`;
}

async function call(method: string, path: string, body?: object): Promise<Record<string, unknown>> {
  const response = await fetch(`${harness.url}${path}`, {
    method,
    headers: { ...bearer(key), "Content-Type": "application/json" },
    ...(body && { body: JSON.stringify(body) }),
  });
  return (await response.json()) as Record<string, unknown>;
}

const stateOf = async (tenant: string, id: string) => (await call("GET", `/v1/${tenant}/uploads/${id}`))["state"];

async function pendingOf(tenant: string): Promise<number> {
  const { usage } = (await call("GET", `/v1/${tenant}/usage`)) as { usage: { pending: number } };
  return usage.pending;
}

/** The page's requests to the upload host. The gateway's requests are the creations. */
const toUploadHost = () => harness.stream.requests().filter(({ url }) => !url.includes("/accounts/"));
const bytesSent = () =>
  toUploadHost().reduce((sum, { method, bodyBytes }) => sum + (method === "PATCH" ? bodyBytes : 0), 0);

/** The same grant, but expired. Signed with the key of `settingsFor`. */
async function expire(grant: string): Promise<string> {
  const { alg = "", ...header } = decodeProtectedHeader(grant);
  const expired = { ...decodeJwt(grant), iat: 1_000_000_000, exp: 1_000_000_900 };
  return new SignJWT(expired).setProtectedHeader({ alg, ...header }).sign(Buffer.alloc(32, 1));
}

/** Slows the upload down, so that it can be paused. */
const slowChunks = (times: number) =>
  harness.stream.addFault({ on: "patch", kind: "latency", milliseconds: 700, times });
async function untilUploading() {
  await expect.poll(() => page.act("helperStates")).toContain("uploading");
}
const UPLOADED = { id: expect.any(String) as string, uid: expect.any(String) as string };

describe("createUploader", () => {
  it("uploads two files with a grant each, and stores no grant", async () => {
    const endpoint = await open("two");
    await page.choose(cats, dogs);
    await page.act("startHelper", { endpoint });
    const outcomes = await page.act("helperOutcomes");
    expect(outcomes).toEqual([UPLOADED, UPLOADED]);
    expect(grants).toHaveLength(2);
    expect(harness.stream.creations()).toHaveLength(2);
    const videos = await Promise.all(
      outcomes.map((outcome) => harness.stream.settled("uid" in outcome ? outcome.uid : "")),
    );
    expect(videos.map(({ meta }) => meta["name"])).toEqual(["cats.mp4", "dogs.mp4"]);
    expect(JSON.stringify(toUploadHost())).not.toContain(grants[0]);
    expect(await page.act("storage")).toBe("{}");
    expect(await page.act("helperStates")).toEqual(["starting", "uploading", "uploaded"]);
  });

  it("uploads as many files with one grant as it is for", async () => {
    const endpoint = await open("batch");
    const { grant } = await call("POST", "/v1/batch/grants", { subject: "user-1", uploads: 2 });
    mangle = () => String(grant);
    await page.choose(cats, dogs);
    await page.act("startHelper", { endpoint });
    expect(await page.act("helperOutcomes")).toEqual([UPLOADED, UPLOADED]);
    await page.act("startHelper", { endpoint });
    expect(await page.act("helperOutcomes")).toMatchObject([{ code: "grant_used" }, { code: "grant_used" }]);
  });

  it("sends headers of the page to the gateway only", async () => {
    const endpoint = await open("headers");
    await page.choose(dogs);
    await page.act("startHelper", { endpoint, headers: { "X-My-App": "1.2.3" } });
    expect(await page.act("helperOutcomes")).toEqual([UPLOADED]);
    expect(JSON.stringify(toUploadHost())).not.toMatch(/x-my-app|idempotency-key|authorization/i);
  });

  it("waits as long as Retry-After says, visibly", async () => {
    const endpoint = await open("busy");
    harness.stream.addFault({ on: "create", kind: "status", status: 429, headers: { "retry-after": "3" } });
    await page.choose(dogs);
    const start = Date.now();
    await page.act("startHelper", { endpoint });
    expect(await page.act("helperOutcomes")).toEqual([UPLOADED]);
    expect(Date.now() - start).toBeGreaterThanOrEqual(3_000);
    expect(await page.act("helperStates")).toEqual(["starting", "waiting", "starting", "uploading", "uploaded"]);
    expect(harness.stream.creations()).toHaveLength(2);
    expect(grants).toHaveLength(1);
  });

  it("does not wait longer than the page allows", async () => {
    const endpoint = await open("quota", { limits: { quota: { day: { uploads: 1 } } } });
    await page.choose(dogs);
    await page.act("startHelper", { endpoint });
    await page.act("helperOutcomes");
    await page.act("startHelper", { endpoint, maxWaitSeconds: 0 });
    expect(await page.act("helperOutcomes")).toEqual([
      { code: "limit_exceeded", status: 429, retryAfterSeconds: expect.any(Number) },
    ]);
  });

  it("resumes after a reload without another creation or grant", async () => {
    const endpoint = await open("reload");
    slowChunks(2);
    await page.choose(cats);
    await page.act("startHelper", { endpoint });
    await expect.poll(bytesSent).toBeGreaterThan(0);
    await expect.poll(() => page.act("storage")).toContain(harness.stream.uploadHost);
    expect(await page.act("storage")).not.toContain(grants[0]);
    await page.reload();
    await page.choose(cats);
    await page.act("startHelper", { endpoint });
    const [outcome] = await page.act("helperOutcomes");
    expect(outcome).toEqual(UPLOADED);
    expect(harness.stream.creations()).toHaveLength(1);
    expect(grants).toHaveLength(1);
    expect(await stateOf("reload", outcome && "id" in outcome ? outcome.id : "")).toMatch(/issued|ready/);
  });

  it("makes another video of the same file after a success", async () => {
    const endpoint = await open("again");
    await page.choose(dogs);
    await page.act("startHelper", { endpoint });
    const [first] = await page.act("helperOutcomes");
    await page.act("startHelper", { endpoint });
    const [second] = await page.act("helperOutcomes");
    expect(second).toEqual(UPLOADED);
    expect(second).not.toEqual(first);
    expect(harness.stream.creations()).toHaveLength(2);
  });

  it("pauses and resumes", async () => {
    const endpoint = await open("pause");
    slowChunks(1);
    await page.choose(cats);
    await page.act("startHelper", { endpoint });
    await untilUploading();
    await page.act("pauseHelper");
    const sent = harness.stream.requests().length;
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(harness.stream.requests()).toHaveLength(sent);
    await page.act("resumeHelper");
    expect(await page.act("helperOutcomes")).toEqual([UPLOADED]);
    expect(harness.stream.creations()).toHaveLength(1);
    expect(await page.act("helperStates")).toEqual([
      "starting",
      "uploading",
      "paused",
      "starting",
      "uploading",
      "uploaded",
    ]);
  });

  it.each([
    ["between Stream and the gateway", async () => harness.stream.addFault({ on: "create", kind: "reset-after" })],
    ["between the gateway and the page", async (endpoint: string) => page.loseResponse(endpoint)],
  ])("repeats a creation whose response was lost %s, and makes one video", async (where, lose) => {
    const tenant = where.startsWith("between Stream") ? "lost-stream" : "lost-gateway";
    const endpoint = await open(tenant, { limits: { pending: 1 } });
    await lose(endpoint);
    await page.choose(dogs);
    await page.act("startHelper", { endpoint });
    const [outcome] = await page.act("helperOutcomes");
    expect(outcome).toEqual(UPLOADED);
    expect(await page.act("helperStates")).toContain("waiting");
    expect(grants).toHaveLength(1);
    const { uploads } = await call("GET", `/v1/${tenant}/uploads`);
    const states = (uploads as { state: string }[]).map(({ state }) => state);
    expect(states.filter((state) => state === "issued" || state === "ready")).toHaveLength(1);
  });

  it("cancels at the gateway, with the grant that made the upload", async () => {
    const endpoint = await open("cancel", { limits: { pending: 1 } });
    slowChunks(1);
    await page.choose(cats);
    await page.act("startHelper", { endpoint });
    await untilUploading();
    expect(await pendingOf("cancel")).toBe(1);
    expect(await page.act("abortHelper")).toBeUndefined();
    expect(await page.act("helperOutcomes")).toMatchObject([{ code: "cancelled" }]);
    expect(await page.act("storage")).toBe("{}");
    expect(await pendingOf("cancel")).toBe(0);
    expect(toUploadHost().map(({ method }) => method)).not.toContain("DELETE");
  });

  it("cancels a creation whose response is on its way", async () => {
    const endpoint = await open("early", { limits: { pending: 1 } });
    harness.stream.addFault({ on: "create", kind: "latency", milliseconds: 1_000 });
    await page.choose(cats);
    await page.act("startHelper", { endpoint });
    await expect.poll(() => harness.stream.creations()).toHaveLength(1);
    expect(await page.act("abortHelper")).toBeUndefined();
    expect(await page.act("helperStates")).toEqual(["starting", "cancelled"]);
    expect(await pendingOf("early")).toBe(0);
    expect(bytesSent()).toBe(0);
  });

  it("pauses during a creation, and resumes with its upload", async () => {
    const endpoint = await open("pause-early", { limits: { pending: 1 } });
    harness.stream.addFault({ on: "create", kind: "latency", milliseconds: 500 });
    await page.choose(dogs);
    await page.act("startHelper", { endpoint });
    await expect.poll(() => harness.stream.creations()).toHaveLength(1);
    await page.act("pauseHelper");
    await expect.poll(() => page.act("storage")).toContain(harness.stream.uploadHost);
    expect(bytesSent()).toBe(0);
    await page.act("resumeHelper");
    expect(await page.act("helperOutcomes")).toEqual([UPLOADED]);
    expect(harness.stream.creations()).toHaveLength(1);
    expect(harness.log.filter((line) => line.includes('"route":"/v1/:tenant/uploads"'))).toHaveLength(2);
  });

  it("leaves it to the backend to cancel an upload of an earlier page", async () => {
    const endpoint = await open("earlier", { limits: { pending: 1 } });
    const cancelled: string[] = [];
    await page.expose("cancelEarlierUpload", async (id: string) => {
      cancelled.push(id);
      await call("DELETE", `/v1/earlier/uploads/${id}`);
    });
    slowChunks(2);
    await page.choose(cats);
    await page.act("startHelper", { endpoint });
    await untilUploading();
    await page.reload();
    await page.choose(cats);
    await page.act("startHelper", { endpoint, cancelsEarlier: true });
    await untilUploading();
    expect(await page.act("abortHelper")).toBeUndefined();
    expect(cancelled).toEqual([expect.any(String)]);
    expect(grants).toHaveLength(1);
    expect(await pendingOf("earlier")).toBe(0);
  });

  it("goes on when the browser is online again", async () => {
    const endpoint = await open("offline");
    slowChunks(1);
    await page.choose(cats);
    await page.act("startHelper", { endpoint });
    await untilUploading();
    await page.setOffline(true);
    await expect.poll(() => page.act("helperStates")).toContain("waiting");
    await page.setOffline(false);
    expect(await page.act("helperOutcomes")).toEqual([UPLOADED]);
    expect(harness.stream.creations()).toHaveLength(1);
  });

  it("says that a finished upload cannot be cancelled", async () => {
    const endpoint = await open("late");
    await page.choose(dogs);
    await page.act("startHelper", { endpoint });
    const [outcome] = await page.act("helperOutcomes");
    await expect.poll(() => stateOf("late", outcome && "id" in outcome ? outcome.id : "")).toBe("ready");
    expect(await page.act("abortHelper")).toBe("grant_used");
  });

  it("asks the upload host again when it is ill, and creates nothing", async () => {
    const endpoint = await open("ill");
    harness.stream.addFault({ on: "patch", kind: "status", status: 500 });
    harness.stream.addFault({ on: "head", kind: "status", status: 503 });
    await page.choose(dogs);
    await page.act("startHelper", { endpoint });
    expect(await page.act("helperOutcomes")).toEqual([UPLOADED]);
    expect(harness.stream.creations()).toHaveLength(1);
    expect(harness.log.filter((line) => line.includes('"POST"') && line.includes("/uploads"))).toHaveLength(1);
  });

  it("gets a new grant where the first one has expired", async () => {
    const endpoint = await open("expired");
    mangle = (grant) => (grants.length === 0 ? expire(grant) : grant);
    await page.choose(dogs);
    await page.act("startHelper", { endpoint });
    expect(await page.act("helperOutcomes")).toEqual([UPLOADED]);
    expect(grants).toHaveLength(2);
    expect(harness.stream.creations()).toHaveLength(1);
  });

  it("refuses an empty file before it asks for anything", async () => {
    const endpoint = await open("empty");
    await page.choose(empty);
    await page.act("startHelper", { endpoint });
    expect(await page.act("helperOutcomes")).toMatchObject([{ code: "file_empty" }]);
    expect(grants).toEqual([]);
    expect(harness.stream.creations()).toEqual([]);
    expect(await page.act("storage")).toBe("{}");
  });

  it("fails with the gateway's code", async () => {
    const endpoint = await open("strict", { policy: { upload: { maxBytes: 1_000 } } });
    await page.choose(dogs);
    await page.act("startHelper", { endpoint });
    expect(await page.act("helperOutcomes")).toMatchObject([{ code: "upload_too_large", status: 413 }]);
    expect(await page.act("helperStates")).toEqual(["starting", "failed"]);
    expect(await page.act("storage")).toBe("{}");
  });
});

describe("uppyTusOptions", () => {
  it("uploads two files with a grant each, and sends nothing of the gateway's to the upload host", async () => {
    const endpoint = await open("uppy-two");
    await page.choose(cats, dogs);
    await page.act("startUppyHelper", { endpoint, headers: { "X-My-App": "1.2.3" } });
    const { uploaded, errors } = await page.act("uppyOutcome");
    expect({ uploaded: uploaded.toSorted(), errors }).toEqual({ uploaded: ["cats.mp4", "dogs.mp4"], errors: [] });
    expect(grants).toHaveLength(2);
    expect(harness.stream.creations()).toHaveLength(2);
    expect(JSON.stringify(toUploadHost())).not.toMatch(/x-my-app|idempotency-key|authorization/i);
    expect(await page.act("storage")).toBe("{}");
  });

  it("waits as long as Retry-After says", async () => {
    const endpoint = await open("uppy-busy");
    harness.stream.addFault({ on: "create", kind: "status", status: 429, headers: { "retry-after": "3" } });
    await page.choose(dogs);
    const start = Date.now();
    await page.act("startUppyHelper", { endpoint });
    expect(await page.act("uppyOutcome")).toEqual({ uploaded: ["dogs.mp4"], errors: [], waits: [3] });
    expect(Date.now() - start).toBeGreaterThanOrEqual(3_000);
    expect(harness.stream.creations()).toHaveLength(2);
  });

  it("fails with the gateway's code", async () => {
    const endpoint = await open("uppy-strict", { policy: { upload: { maxBytes: 1_000 } } });
    await page.choose(dogs);
    await page.act("startUppyHelper", { endpoint });
    expect(await page.act("uppyOutcome")).toEqual({ uploaded: [], errors: ["upload_too_large"], waits: [] });
  });

  it("cancels at the gateway when a file is removed", async () => {
    const endpoint = await open("uppy-cancel", { limits: { pending: 1 } });
    slowChunks(1);
    await page.choose(cats);
    await page.act("startUppyHelper", { endpoint });
    await expect.poll(() => toUploadHost().map(({ method }) => method)).toContain("PATCH");
    expect(await pendingOf("uppy-cancel")).toBe(1);
    await page.act("removeFirstUppyFile");
    await expect.poll(() => pendingOf("uppy-cancel")).toBe(0);
    expect(toUploadHost().map(({ method }) => method)).not.toContain("DELETE");
  });

  it("cancels a creation whose response is on its way when its file is removed", async () => {
    const endpoint = await open("uppy-early", { limits: { pending: 1 } });
    harness.stream.addFault({ on: "create", kind: "latency", milliseconds: 1_000 });
    await page.choose(cats);
    await page.act("startUppyHelper", { endpoint });
    await expect.poll(() => harness.stream.creations()).toHaveLength(1);
    await page.act("removeFirstUppyFile");
    await expect
      .poll(async () => ((await call("GET", "/v1/uppy-early/uploads"))["uploads"] as { state: string }[])[0]?.state)
      .toBe("cancelled");
    expect(bytesSent()).toBe(0);
    expect(await page.act("storage")).toBe("{}");
  });

  it("repeats a creation whose response was lost, and makes one video", async () => {
    const endpoint = await open("uppy-lost", { limits: { pending: 1 } });
    await page.loseResponse(endpoint);
    await page.choose(dogs);
    await page.act("startUppyHelper", { endpoint });
    expect(await page.act("uppyOutcome")).toMatchObject({ uploaded: ["dogs.mp4"], errors: [] });
    expect(harness.stream.creations()).toHaveLength(1);
  });

  it("refuses an empty file before it asks for anything", async () => {
    const endpoint = await open("uppy-empty");
    await page.choose(empty);
    await page.act("startUppyHelper", { endpoint });
    expect(await page.act("uppyOutcome")).toMatchObject({ uploaded: [], errors: ["file_empty"] });
    expect(grants).toEqual([]);
  });
});
