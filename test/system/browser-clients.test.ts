import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Browser, type BrowserPage, startBrowser } from "../support/browser.ts";
import { type TestGateway, startTestGateway } from "../support/gateway.ts";
import { bearer, create } from "../support/http.ts";
import { readPage } from "../support/docs-pages.ts";
import { videoFile } from "../support/files.ts";
import { tableRows } from "../support/markdown.ts";

/**
 * What only a browser shows: its preflights, what a page can read of a response, and which headers it sends where. The page
 * has another origin than the gateway, and uploads as the README and docs/clients.md show.
 */

const SECONDS = 3;
/** Three chunks, the last one short. */
const BYTES = 11 * 1024 * 1024 + 123;

const video = videoFile({ name: "cats.mp4", seconds: SECONDS, bytes: BYTES });
let harness: TestGateway;
let browser: Browser;
let page: BrowserPage;
let key: string;

beforeAll(async () => {
  [harness, browser] = await Promise.all([startTestGateway(), startBrowser()]);
  const policy = {
    upload: { minBytes: 1, fileTypes: ["video/*"] },
    origins: [browser.origin],
    metadata: { maxdurationseconds: { max: 60, onViolation: "reject" } },
    custom: { "*": { onViolation: "reject" } },
  };
  key = await harness.tenant("acme", { policy });
});
afterAll(() => Promise.all([harness.stop(), browser.stop()]));
beforeEach(async () => {
  harness.stream.reset();
  page = await browser.open();
  await page.choose(video);
});

const endpointOf = (tenant: string) => `${harness.url}/v1/${tenant}/uploads`;

async function mintGrant(tenant: string, credential: string): Promise<string> {
  const answer = await fetch(`${harness.url}/v1/${tenant}/grants`, {
    method: "POST",
    headers: { ...bearer(credential), "Content-Type": "application/json" },
    body: JSON.stringify({ subject: "user-1" }),
  });
  return ((await answer.json()) as { grant: string }).grant;
}

async function onlyVideo() {
  const [made, ...others] = harness.stream.videos();
  expect(others).toEqual([]);
  return harness.stream.settled(made?.uid ?? "");
}

/** The page's requests to the upload host. The gateway's requests are the creations. */
const toUploadHost = () => harness.stream.requests().filter(({ url }) => !url.includes("/accounts/"));
const bytesSent = () =>
  toUploadHost().reduce((sum, { method, bodyBytes }) => sum + (method === "PATCH" ? bodyBytes : 0), 0);

describe("a page with Uppy", () => {
  it("uploads a video and sends its grant to the gateway only", async () => {
    const grant = await mintGrant("acme", key);
    const uploaded = await page.act("uploadByUppy", endpointOf("acme"), grant);
    expect(uploaded).toMatchObject({ outcome: "uploaded" });
    expect(new URL("url" in uploaded ? uploaded.url : "").host).toBe(harness.stream.uploadHost);
    expect(await onlyVideo()).toMatchObject({
      status: { state: "ready" },
      duration: SECONDS,
      size: BYTES,
      creator: "user-1",
      meta: { name: "cats.mp4" },
    });
    expect(bytesSent()).toBe(BYTES);
    expect(JSON.stringify(harness.stream.requests())).not.toContain(grant);
  });

  it("reads why it is refused and does not retry", async () => {
    harness.log.length = 0;
    expect(await page.act("uploadByUppy", endpointOf("acme"), "junk")).toMatchObject({
      outcome: "refused",
      status: 401,
      body: expect.stringContaining('"code":"credential_invalid"'),
    });
    expect(harness.stream.requests()).toEqual([]);
    expect(harness.log.filter((line) => line.includes("credential_invalid"))).toHaveLength(1);
  });
});

describe("a page with tus-js-client", () => {
  it("resumes its upload after a reload, without another creation", async () => {
    const options = { endpoint: endpointOf("acme"), metadata: { grant: await mintGrant("acme", key) } };
    const begun = await page.act("uploadByTus", { ...options, isInterrupted: true });
    expect(begun).toMatchObject({ outcome: "interrupted" });
    await page.reload();
    await page.choose(video);

    expect(await page.act("uploadByTus", options)).toEqual({ ...begun, outcome: "uploaded" });
    expect(await onlyVideo()).toMatchObject({ status: { state: "ready" }, size: BYTES });
    expect(harness.stream.creations()).toHaveLength(1);
  });

  it("sends an API key to the gateway only, with onBeforeRequest", async () => {
    const uploaded = await page.act("uploadByTus", { endpoint: endpointOf("acme"), metadata: {}, token: key });
    expect(uploaded).toMatchObject({ outcome: "uploaded" });
    expect(toUploadHost().some(({ method }) => method === "PATCH")).toBe(true);
    expect(JSON.stringify(toUploadHost())).not.toContain(key);
  });

  it("sends headers of its own to the gateway only", async () => {
    const headers = { "X-My-App": "cats/1.0" };
    const options = { endpoint: endpointOf("acme"), metadata: {}, token: key, headers };
    expect(await page.act("uploadByTus", options)).toMatchObject({ outcome: "uploaded" });
    expect(JSON.stringify(harness.stream.requests()).toLowerCase()).not.toContain("x-my-app");
  });

  it("reads why the policy refuses its upload", async () => {
    const metadata = { grant: await mintGrant("acme", key), maxdurationseconds: "3600" };
    expect(await page.act("uploadByTus", { endpoint: endpointOf("acme"), metadata })).toMatchObject({
      outcome: "refused",
      status: 403,
      body: expect.stringContaining("maxdurationseconds must be at most 60"),
      headers: { "X-Request-ID": expect.stringMatching(/^[\w-]+$/) },
    });
    expect(harness.stream.requests()).toEqual([]);
  });

  it("reads Retry-After from a refusal", async () => {
    const token = await harness.tenant("limited", { limits: { pending: 1 } });
    await create(harness.url, "limited", bearer(token));
    expect(await page.act("uploadByTus", { endpoint: endpointOf("limited"), metadata: {}, token })).toMatchObject({
      outcome: "refused",
      status: 429,
      body: expect.stringContaining('"limit":"pending"'),
      headers: { "Retry-After": expect.stringMatching(/^\d+$/) },
    });
  });

  it("can read no response of a tenant that does not list its origin", async () => {
    const token = await harness.tenant("closed", { policy: { origins: ["https://app.acme.com"] } });
    expect(await page.act("uploadByTus", { endpoint: endpointOf("closed"), metadata: {}, token })).toMatchObject({
      outcome: "refused",
      status: 0,
      body: "",
    });
    expect(harness.stream.requests()).toEqual([]);
  });
});

describe("the table of docs/clients.md", () => {
  const rows = tableRows(
    readPage("docs/clients.md"),
    "response to a creation",
    "`sluice/browser`",
    "tus-js-client 2.3 to 4.3",
    "Uppy 3 to 6",
    "Cloudflare's SDK",
  );
  /** With a status of each row, and `none`. */
  const cases = rows.flatMap(([responses = "", , tus = "", uppy = ""]) =>
    [...responses.matchAll(/\b(\d{3}|none)\b|5xx/g)].map(([response]) => [response, tus, uppy] as const),
  );

  it("has a row for each kind of response", () => {
    expect(cases.map(([response]) => response)).toEqual(expect.arrayContaining(["401", "409", "429", "5xx", "none"]));
  });

  it.each(cases)("is right about %s", async (response, tus, uppy) => {
    const url = endpointOf("table");
    const requests = await page.refuse(url, response === "none" ? "none" : Number(response.replace("xx", "03")));
    expect(await page.act("uploadByTus", { endpoint: url, metadata: {} })).toMatchObject({ outcome: "refused" });
    const byTus = requests();
    await page.act("uploadByUppy", url, "grant");
    const byUppy = requests() - byTus;
    expect({ byTus: byTus > 1, byUppy: byUppy > 1 }).toEqual({
      byTus: tus.startsWith("repeats"),
      byUppy: uppy.startsWith("repeats"),
    });
  });
});
