import { SignJWT, decodeJwt, decodeProtectedHeader } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Browser, type BrowserPage, startBrowser } from "../support/browser.ts";
import { videoFile } from "../support/files.ts";
import { type TestGateway, startTestGateway } from "../support/gateway.ts";
import { bearer } from "../support/http.ts";

/** `sluice/browser` in Chromium: an upload that is paused until its URL has died. The gateway restarts to let time pass. */

/** The default lifetime of a URL. */
const LIFETIME_SECONDS = 1_800;
/** Enough for a creation, and short. */
const GRANT_SECONDS = 5;

const video = videoFile({ name: "cats.mp4", seconds: 3, bytes: 11 * 1024 * 1024 });
let harness: TestGateway;
let browser: Browser;

beforeAll(async () => {
  [harness, browser] = await Promise.all([startTestGateway(), startBrowser()]);
});
afterAll(() => Promise.all([harness.stop(), browser.stop()]));

/** The same grant with another end. Signed with the key of `settingsFor`. */
async function withLifetime(grant: string, seconds: number): Promise<string> {
  const { alg = "", ...header } = decodeProtectedHeader(grant);
  const now = Math.floor(Date.now() / 1000);
  const claims = { ...decodeJwt(grant), iat: now - 60, exp: now + seconds };
  return new SignJWT(claims).setProtectedHeader({ alg, ...header }).sign(Buffer.alloc(32, 1));
}

interface Paused {
  readonly page: BrowserPage;
  readonly grants: string[];
  /** The upload and the video before the pause. */
  readonly id: string;
  readonly uid: string;
  readonly call: (method: string, path: string, body?: object) => Promise<Record<string, unknown>>;
}

/** Uploads a part of a file for a tenant that allows one upload at a time, and pauses. */
async function pauseUpload(tenant: string, grantSeconds: number): Promise<Paused> {
  const key = await harness.tenant(tenant, { limits: { pending: 1 } });
  const call: Paused["call"] = async (method, path, body) => {
    const headers = { ...bearer(key), "Content-Type": "application/json" };
    const init = { method, headers, ...(body && { body: JSON.stringify(body) }) };
    return (await (await fetch(`${harness.url}/v1/${tenant}${path}`, init)).json()) as Record<string, unknown>;
  };
  const page = await browser.open();
  const grants: string[] = [];
  await page.expose("getGrant", async () => {
    const { grant } = await call("POST", "/grants", { subject: "user-1" });
    const isFirst = grants.length === 0;
    grants.push(isFirst ? await withLifetime(String(grant), grantSeconds) : String(grant));
    return grants.at(-1);
  });
  await page.choose(video);
  harness.stream.addFault({ on: "patch", kind: "latency", milliseconds: 1_000 });
  await page.act("startHelper", { endpoint: `${harness.url}/v1/${tenant}/uploads` });
  await expect.poll(() => page.act("helperStates")).toContain("uploading");
  await page.act("pauseHelper");
  expect(grants).toHaveLength(1);
  const { uploads } = await call("GET", "/uploads");
  const [{ id, uid } = { id: "", uid: "" }] = uploads as { id: string; uid: string }[];
  return { page, grants, id, uid, call };
}

describe("createUploader", () => {
  it("makes the upload anew when its URL has died during a pause, also with an expired grant", async () => {
    const valid = await pauseUpload("valid", 900);
    const expired = await pauseUpload("expired", GRANT_SECONDS);
    await harness.age(LIFETIME_SECONDS);
    await new Promise((resolve) => setTimeout(resolve, GRANT_SECONDS * 1000));
    for (const { uid } of [valid, expired]) harness.stream.expire(uid);

    for (const { page, id, uid, call } of [valid, expired]) {
      await page.act("resumeHelper");
      const [outcome] = await page.act("helperOutcomes");
      expect(outcome).toEqual({ id: expect.any(String) as string, uid: expect.any(String) as string });
      expect(outcome).not.toMatchObject({ id });
      expect(outcome).not.toMatchObject({ uid });
      await harness.stream.settled(outcome && "uid" in outcome ? outcome.uid : "");
      // Nothing stays held.
      await expect.poll(() => call("GET", "/usage")).toMatchObject({ usage: { pending: 0 } });
      expect(harness.stream.videos().map((made) => made.uid)).not.toContain(uid);
      expect(await call("GET", `/uploads/${id}`)).toMatchObject({
        state: expect.stringMatching(/^(cancelled|expired|deleted)$/) as string,
      });
    }
    expect(valid.grants).toHaveLength(1);
    expect(expired.grants).toHaveLength(2);
  });
});
