import { readFile } from "node:fs/promises";
import { Ajv2020 } from "ajv/dist/2020.js";
import * as tus from "tus-js-client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type TestGateway, startTestGateway } from "../support/gateway.ts";
import { bearer, create } from "../support/http.ts";
import { videoFile } from "../support/files.ts";
import { type Receiver, startReceiver } from "../support/webhook-receiver.ts";

/** Grants as a backend mints them and a page uploads with them: tus-js-client with the grant in the metadata. */

const SOON = { timeout: 15_000, interval: 100 };
const videoPath = videoFile({ seconds: 2 });

let harness: TestGateway;
let receiver: Receiver;
let video: Buffer;
let key: string;
let tenants = 0;
let tenant: string;

beforeAll(async () => {
  [harness, receiver, video] = await Promise.all([startTestGateway(), startReceiver(), readFile(videoPath)]);
});
afterAll(async () => {
  await harness.stop();
  await receiver.close();
});

async function newTenant(document: object = {}): Promise<void> {
  tenant = `grants-${++tenants}`;
  key = await harness.tenant(tenant, document);
}

interface Minted {
  readonly id: string;
  readonly grant: string;
}

async function mint(body: object = {}): Promise<Minted> {
  const minted = await fetch(`${harness.url}/v1/${tenant}/grants`, {
    method: "POST",
    headers: { ...bearer(key), "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!minted.ok) throw new Error(await minted.text());
  return (await minted.json()) as Minted;
}

/** The id of the upload; or the status and the code of the refusal, as the page sees them. */
async function upload(grant: string, metadata: Record<string, string>, options: Partial<tus.UploadOptions> = {}) {
  let id = "";
  const outcome = await new Promise<tus.DetailedError | undefined>((resolve) => {
    new tus.Upload(video, {
      endpoint: `${harness.url}/v1/${tenant}/uploads`,
      chunkSize: 5 * 1024 * 1024,
      retryDelays: [],
      metadata: { grant, filetype: "video/mp4", ...metadata },
      onAfterResponse: (_, response) => void (id ||= response.getHeader("Sluice-Upload-Id") ?? ""),
      onSuccess: () => resolve(undefined),
      onError: (error) => resolve(error as tus.DetailedError),
      ...options,
    }).start();
  });
  if (!outcome) return id;
  const response = outcome.originalResponse;
  return {
    status: response?.getStatus(),
    ...(JSON.parse(response?.getBody() ?? "{}") as { code: string; detail: string }),
  };
}

const call = (grant: string, method: string, id: string) =>
  fetch(`${harness.url}/v1/${tenant}/uploads/${id}`, { method, headers: bearer(grant) });

describe("a grant in a page", () => {
  it("uploads its one file, and says of a second one what a grant is for, before and after the first is settled", async () => {
    await newTenant();
    const { grant } = await mint();
    const first = await upload(grant, { name: "a.mp4" });
    expect(first).toMatch(/^[0-9a-f-]{36}$/);
    const tooMany = {
      status: 403,
      code: "grant_used",
      detail: expect.stringContaining("Get a grant for each further file") as string,
    };
    expect(await upload(grant, { name: "b.mp4" })).toMatchObject(tooMany);
    const state = async () => ((await (await call(grant, "GET", String(first))).json()) as { state: string }).state;
    await expect.poll(state, SOON).toBe("ready");
    expect(await upload(grant, { name: "b.mp4" })).toMatchObject(tooMany);
    const deletion = await call(grant, "DELETE", String(first));
    expect([deletion.status, await deletion.json()]).toMatchObject([403, { code: "grant_used" }]);
  });

  it("uploads as many files as it is for", async () => {
    await newTenant();
    const { grant } = await mint({ uploads: 2 });
    const uploads = [await upload(grant, { name: "a.mp4" }), await upload(grant, { name: "b.mp4" })];
    expect(new Set(uploads).size).toBe(2);
    expect(await upload(grant, { name: "c.mp4" })).toMatchObject({ status: 403, code: "grant_used" });
  });

  it("frees the slot of a cancelled upload at once", async () => {
    await newTenant({ limits: { pending: 1 } });
    const { grant } = await mint();
    const wrong = { ...bearer(grant), "Upload-Length": String(video.byteLength) };
    const id = (await create(harness.url, tenant, wrong)).headers.get("sluice-upload-id") ?? "";
    expect((await call(grant, "DELETE", id)).status).toBe(200);
    expect(await upload(grant, { name: "right.mp4" })).toMatch(/^[0-9a-f-]{36}$/);
  });

  it("is told where it goes when it is missing", async () => {
    await newTenant();
    expect(await upload("", { name: "a.mp4" }, { metadata: { name: "a.mp4" } })).toMatchObject({
      status: 401,
      code: "credential_missing",
      detail: expect.stringContaining("metadata key grant") as string,
    });
  });
});

describe("POST …/grants", () => {
  it.each([
    [
      "a force outside a bound",
      { metadata: { maxdurationseconds: { max: 60 } } },
      { metadata: { maxdurationseconds: { force: 90 } } },
    ],
    ["more than the tenant's maxBytes", { upload: { maxBytes: 10 } }, { upload: { minBytes: 11 } }],
    ["another creator", { creator: { from: "caller" } }, { creator: { from: "tenant" } }],
  ])("refuses what the page could never upload: %s", async (_, policy, narrower) => {
    await newTenant({ policy });
    await expect(mint({ subject: "user-1", policy: narrower })).rejects.toThrow('"code":"policy_conflict"');
  });
});

describe("POST …/grants with playback", () => {
  it("answers with it, and refuses it to a key that may not sign", async () => {
    await newTenant();
    expect(await mint({ playback: true })).toMatchObject({ playback: true, uploads: 1 });
    expect(await mint({ playback: false })).not.toHaveProperty("playback");
    key = await harness.tenant(tenant, {}, { name: "mints", scopes: ["grants:create"] });
    await expect(mint({ playback: true })).rejects.toThrow('"code":"scope_missing"');
    expect(await mint()).not.toHaveProperty("playback");
  });

  it("refuses it where the policy has no playback", async () => {
    await newTenant({ policy: { features: ["edit"] } });
    await expect(mint({ playback: true })).rejects.toThrow("policy.features must have playback (found: edit).");
  });

  it("makes a grant that uploads as any other", async () => {
    await newTenant();
    const { grant } = await mint({ playback: true, policy: { features: ["playback"], playback: { maxSeconds: 60 } } });
    expect(await upload(grant, { name: "a.mp4" })).toMatch(/^[0-9a-f-]{36}$/);
  });
});

describe("an event of an upload", () => {
  it("leads to the backend's own record, and to the player", async () => {
    await newTenant({ policy: { metadata: { requiresignedurls: { force: true } }, custom: { project: {} } } });
    const settings = { url: receiver.url(tenant) };
    const { secret = "" } = await harness.operator("PUT", `/tenants/${tenant}/endpoints/main`, settings);
    receiver.trust(tenant, secret);
    const { id: grantId, grant } = await mint({ reference: "order 1729", subject: "user-1" });
    const headers = { "Idempotency-Key": "file-1" };
    const onBeforeRequest = (request: tus.HttpRequest) => {
      if (request.getMethod() === "POST")
        for (const [name, value] of Object.entries(headers)) request.setHeader(name, value);
    };
    const id = await upload(grant, { name: "lesson.mp4", project: "cats", secret: "dropped" }, { onBeforeRequest });
    const bodies = () =>
      receiver.of(tenant).map(({ text }) => JSON.parse(text) as { type: string; data: { upload: object } });
    const ready = () => bodies().find(({ type }) => type === "upload.ready");
    await expect.poll(ready, { timeout: 30_000, interval: 100 }).toBeDefined();
    const correlation = {
      id,
      name: "lesson.mp4",
      meta: { project: "cats" },
      grant: grantId,
      reference: "order 1729",
      idempotencyKey: "file-1",
    };
    expect(bodies().find(({ type }) => type === "upload.created")?.data.upload).toMatchObject(correlation);
    expect(ready()?.data.upload).toMatchObject({
      ...correlation,
      playback: {
        hls: expect.stringMatching(/^http:.*\.m3u8$/) as string,
        dash: expect.stringMatching(/^http:.*\.mpd$/) as string,
      },
      thumbnail: expect.stringMatching(/^http:/) as string,
      input: { width: expect.any(Number) as number, height: expect.any(Number) as number },
      signed: true,
    });
    const schema = (await (await fetch(`${harness.url}/schemas/upload-event.v1.json`)).json()) as object;
    const validate = new Ajv2020({ strict: true, allErrors: true }).compile(schema);
    for (const body of bodies()) expect(validate(body), JSON.stringify(validate.errors)).toBe(true);
    expect(receiver.of(tenant).every(({ verifiedBy }) => verifiedBy.length === 1)).toBe(true);
  }, 60_000);
});
