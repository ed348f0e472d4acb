import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Browser, type BrowserPage, startBrowser } from "../support/browser.ts";
import { readPage } from "../support/docs-pages.ts";
import { videoFile } from "../support/files.ts";
import { type TestGateway, startTestGateway } from "../support/gateway.ts";
import { bearer } from "../support/http.ts";
import { fencesOf } from "../support/markdown.ts";

/** The JavaScript samples of the README and docs/clients.md for pages, in Chromium, on a tenant whose policy says all it can. */

const samples = [readPage("README.md"), readPage("docs/clients.md")]
  .flatMap(fencesOf)
  .filter(({ language, label }) => language === "js" && label !== "");
const UPPY: ReadonlySet<string> = new Set(["helper-uppy", "uppy"]);
const PLAYS = "helper-playback";

const BYTES = 6 * 1024 * 1024;
const cats = videoFile({ name: "cats.mp4", seconds: 3, bytes: BYTES });
const dogs = videoFile({ name: "dogs.mp4", seconds: 2, bytes: BYTES });
let harness: TestGateway;
let browser: Browser;
let page: BrowserPage;
let endpoint: string;
let grants: string[];
let key: string;

beforeAll(async () => {
  [harness, browser] = await Promise.all([startTestGateway(), startBrowser(samples)]);
});
afterAll(() => Promise.all([harness.stop(), browser.stop()]));
beforeEach(() => {
  harness.stream.reset();
  grants = [];
});

/** Opens a page for a tenant of its own and runs a sample with the files. */
async function run(label: string, tenant: string, ...files: string[]) {
  const policy = {
    origins: [browser.origin],
    upload: { minBytes: 1, maxBytes: 100_000_000, fileTypes: ["video/*"] },
    metadata: {
      maxdurationseconds: { default: 60, max: 60 },
      requiresignedurls: { force: true },
    },
    custom: { project: { maxLength: 40 } },
  };
  key = await harness.tenant(tenant, { policy, limits: { pendingPerCreator: 2 } });
  endpoint = `${harness.url}/v1/${tenant}/uploads`;
  async function getGrant() {
    const response = await fetch(`${harness.url}/v1/${tenant}/grants`, {
      method: "POST",
      headers: { ...bearer(key), "Content-Type": "application/json" },
      body: JSON.stringify({ subject: "user-1", playback: label === PLAYS }),
    });
    const { grant } = (await response.json()) as { grant: string };
    grants.push(grant);
    return grant;
  }
  page = await browser.open();
  await page.expose("mint", getGrant);
  await page.answer("/grants", getGrant);
  await start(label, ...files);
}

/** Runs a sample in the page that is open. */
async function start(label: string, ...files: string[]) {
  await page.choose(...files);
  await page.evaluate(`(async () => {
    const files = [...document.querySelector("input").files];
    const given = { file: files[0], endpoint: ${JSON.stringify(endpoint)}, getGrant: () => mint() };
    globalThis.declared = await samples[${JSON.stringify(label)}](given);
    if (!declared.uppy) return;
    for (const data of files) declared.uppy.addFile({ name: data.name, type: data.type, data });
    void declared.uppy.upload();
  })()`);
}

async function untilReady(videos: number) {
  await expect
    .poll(() => harness.stream.videos().map(({ status }) => status.state))
    .toEqual(Array.from({ length: videos }, () => "ready"));
}

/** Everything that went to the upload host. */
const toUploadHost = () =>
  JSON.stringify(harness.stream.requests().filter(({ url }) => !url.includes("/accounts/"))).toLowerCase();

it("finds the samples", () => {
  expect(samples.map(({ label }) => label)).toEqual(["helper", "helper-controls", "helper-uppy", "tus", "uppy", PLAYS]);
});

describe.each(samples.map(({ label }) => label))("the sample %s", (label) => {
  const files = UPPY.has(label) ? [cats, dogs] : [cats];

  it("uploads, with one grant per file, which goes to the gateway only", async () => {
    await run(label, `${label}-a`, ...files);
    await untilReady(files.length);
    expect(grants).toHaveLength(files.length);
    for (const grant of grants) expect(toUploadHost()).not.toContain(grant.toLowerCase());
    expect(toUploadHost()).not.toContain("x-my-app");
    await expect.poll(() => page.evaluate("JSON.stringify(localStorage)")).toBe("{}");
  });

  it("resumes after a reload, with one creation", async () => {
    harness.stream.addFault({ on: "patch", kind: "latency", milliseconds: 2_000 });
    await run(label, `${label}-d`, cats);
    await expect.poll(toUploadHost).toContain('"patch"');
    await page.reload();
    await start(label, cats);
    await untilReady(1);
    expect(harness.stream.creations()).toHaveLength(1);
  });

  it("waits as long as Retry-After says", async () => {
    harness.stream.addFault({ on: "create", kind: "status", status: 429, headers: { "retry-after": "2" } });
    const start = Date.now();
    await run(label, `${label}-b`, cats);
    await untilReady(1);
    expect(Date.now() - start).toBeGreaterThanOrEqual(2_000);
    expect(grants).toHaveLength(1);
  });
});

describe.each([
  ["helper-controls", "declared.cancel()"],
  ["helper-uppy", "declared.uppy.removeFile(declared.uppy.getFiles()[0].id)"],
  ["tus", "declared.cancel()"],
  ["uppy", "declared.uppy.removeFile(declared.uppy.getFiles()[0].id)"],
])("the sample %s", (label, cancel) => {
  it("cancels at the gateway, whose slot is free at once", async () => {
    harness.stream.addFault({ on: "patch", kind: "latency", milliseconds: 2_000 });
    await run(label, `${label}-c`, cats);
    await expect.poll(toUploadHost).toContain('"patch"');
    expect(await pendingOf(`${label}-c`)).toBe(1);
    await page.evaluate(`void ${cancel}`);
    await expect.poll(() => pendingOf(`${label}-c`)).toBe(0);
    expect(toUploadHost()).not.toContain('"delete"');
  });
});

it("plays what it has uploaded, with its grant", async () => {
  // Another gateway: `reset` has taken the webhook away by which this one learns that a video is ready.
  await harness.stop();
  harness = await startTestGateway();
  await run(PLAYS, `${PLAYS}-e`, cats);
  const source = () => page.evaluate(`document.querySelector("iframe")?.src`);
  await expect.poll(source, { timeout: 15_000 }).toMatch(/\/eyJ[\w.-]+\/iframe$/);
  expect((await fetch(String(await source()))).status).toBe(200);
});

async function pendingOf(tenant: string): Promise<number> {
  const response = await fetch(`${harness.url}/v1/${tenant}/usage`, { headers: bearer(key) });
  return ((await response.json()) as { usage: { pending: number } }).usage.pending;
}
