import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { readFile } from "node:fs/promises";
import { createStreamClient, sendFile } from "../../src/local-stream/client.ts";
import { videoFile } from "../support/files.ts";
import { type TestGateway, startTestGateway } from "../support/gateway.ts";
import { hmacIssuer } from "../support/hmac-issuer.ts";
import { bearer, create, problemOf } from "../support/http.ts";
import { metadataHeader } from "../support/metadata.ts";

/** Edits of videos at the local Stream, by both APIs. */

const DAY = 86_400_000;
/** Seconds that the tenant may store. */
const LIMIT = 3_000;
const videoPath = videoFile({ seconds: 3 });
let harness: TestGateway;
let stream: ReturnType<typeof createStreamClient>;
let key: string;

const POLICY = {
  metadata: {
    name: { default: "Untitled", maxLength: 20 },
    requiresignedurls: { default: true },
    allowedorigins: { default: ["app.acme.com"], within: ["*.acme.com"] },
    scheduleddeletion: { max: "P90D", default: "P60D" },
    maxdurationseconds: { default: 60, max: 3_600 },
  },
  custom: { projectId: { maxLength: 10 }, "*": { allow: ["tag"], onViolation: "reject" } },
};

beforeAll(async () => {
  harness = await startTestGateway({ STREAM_DEADLINE_MS: "700" });
  stream = createStreamClient(harness.stream);
  key = await harness.tenant("acme", { policy: POLICY, limits: { storedSeconds: LIMIT } });
});
afterAll(() => harness.stop());
beforeEach(() => {
  harness.stream.clearRequests();
  harness.stream.clearFaults();
});

interface Created {
  readonly id: string;
  readonly uid: string;
  readonly location: string;
}

async function createUpload(metadata: Record<string, string> = {}, credential = key, length = 1_000): Promise<Created> {
  const headers = {
    ...bearer(credential),
    "Upload-Length": String(length),
    "Upload-Metadata": metadataHeader(metadata),
  };
  const answer = await create(harness.url, "acme", headers);
  expect(answer.status).toBe(201);
  const { headers: sent } = answer;
  harness.stream.clearRequests();
  return {
    id: sent.get("sluice-upload-id") ?? "",
    uid: sent.get("stream-media-id") ?? "",
    location: sent.get("location") ?? "",
  };
}

const patchUpload = (id: string, body: unknown, headers: Record<string, string> = bearer(key), tenant = "acme") =>
  fetch(`${harness.url}/v1/${tenant}/uploads/${id}`, {
    method: "PATCH",
    headers: { "Content-Type": "application/merge-patch+json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
const postVideo = (uid: string, body: unknown, headers: Record<string, string> = bearer(key)) =>
  fetch(`${harness.url}/client/v4/accounts/acme/stream/${uid}`, {
    method: "POST",
    headers,
    body: JSON.stringify(body),
  });
const atStream = async (uid: string) => (await stream.api("GET", `/${uid}`)).result;
const calls = () => harness.stream.requests().map(({ method }) => method);
const refusal = async (answer: Promise<Response>) => {
  const { status, code, key: at } = await problemOf(await answer);
  return [status, code, ...(at === undefined ? [] : [at])];
};
const ahead = (milliseconds: number) => new Date(Math.floor(Date.now() / 1000) * 1000 + milliseconds).toISOString();
const storedSeconds = async () => {
  const answer = await fetch(`${harness.url}/v1/acme/usage`, { headers: bearer(key) });
  return ((await answer.json()) as { usage: { storedSeconds: number } }).usage.storedSeconds;
};

describe("PATCH /v1/:tenant/uploads/:id", () => {
  it("merges the edit into the video, keeps its tag, and answers with the upload", async () => {
    const { id, uid } = await createUpload({ name: "old", projectId: "p1" });
    const { meta } = await atStream(uid);
    harness.stream.clearRequests();
    const answer = await patchUpload(id, {
      meta: { name: "new", tag: 7, projectid: null, sluice: "acme/x", GRANT: "x" },
    });
    expect(answer.headers.get("cache-control")).toBe("no-store");
    expect([answer.status, await answer.json()]).toEqual([
      200,
      expect.objectContaining({ id, uid, state: "issued", name: "new", meta: { tag: "7" } }),
    ]);
    expect(calls()).toEqual(["GET", "POST"]);
    expect((await atStream(uid))["meta"]).toEqual({
      sluice: (meta as { sluice: string }).sluice,
      name: "new",
      tag: "7",
    });
    const read = await fetch(`${harness.url}/v1/acme/uploads/${id}`, { headers: bearer(key) });
    expect(await read.json()).toMatchObject({ name: "new", meta: { tag: "7" } });
    const list = await fetch(`${harness.url}/client/v4/accounts/acme/stream?name=new`, { headers: bearer(key) });
    expect(await list.json()).toMatchObject({ result: [{ uid, meta: { name: "new", tag: "7" } }] });
  });

  it("changes every field, also by the upload's uid and with application/json", async () => {
    const { uid } = await createUpload();
    const edit = {
      requireSignedURLs: true,
      allowedOrigins: ["a.acme.com", "b.acme.com"],
      thumbnailTimestampPct: 0.25,
      scheduledDeletion: ahead(80 * DAY),
      publicDetails: { title: "Title", share_link: "https://acme.com/1" },
      creator: "user-9",
      maxDurationSeconds: 120,
      uploadExpiry: ahead(3_600_000),
    };
    const answer = await patchUpload(uid, { ...edit, uid }, { ...bearer(key), "Content-Type": "application/json" });
    expect(await answer.json()).toMatchObject({ creator: "user-9", seconds: 120, expiresAt: edit.uploadExpiry });
    expect(await atStream(uid)).toMatchObject({
      ...edit,
      publicDetails: { ...edit.publicDetails, channel_link: null, logo: null },
    });
    const details = { publicDetails: { title: null }, thumbnailTimestampPct: null, creator: null };
    const removed = await patchUpload(uid, details);
    expect(await removed.json()).not.toHaveProperty("creator");
    expect(await atStream(uid)).toMatchObject({
      creator: null,
      thumbnailTimestampPct: 0,
      publicDetails: { title: null, share_link: "https://acme.com/1" },
    });
  });

  it("makes one call where nothing changes", async () => {
    const { id } = await createUpload({ name: "same" });
    expect((await patchUpload(id, { meta: { name: "same" }, requireSignedURLs: true })).status).toBe(200);
    expect((await patchUpload(id, {})).status).toBe(200);
    expect(calls()).toEqual(["GET", "GET"]);
  });

  it("decides the outcome by the policy, from the creation on", async () => {
    const { id, uid } = await createUpload({ name: "x" });
    harness.stream.clearRequests();
    expect(await refusal(patchUpload(id, { meta: { name: "n".repeat(21) } }))).toEqual([
      403,
      "policy_violation",
      "name",
    ]);
    expect(await refusal(patchUpload(id, { allowedOrigins: ["evil.example"] }))).toEqual([
      403,
      "policy_violation",
      "allowedorigins",
    ]);
    expect(await refusal(patchUpload(id, { scheduledDeletion: ahead(91 * DAY) }))).toEqual([
      403,
      "policy_violation",
      "scheduleddeletion",
    ]);
    expect(await refusal(patchUpload(id, { meta: { other: null } }))).toEqual([403, "policy_violation", "other"]);
    expect(await refusal(patchUpload(id, { maxDurationSeconds: 3_601 }))).toEqual([
      403,
      "policy_violation",
      "maxdurationseconds",
    ]);
    expect(calls()).not.toContain("POST");
    const absent = { meta: { name: null }, allowedOrigins: [], requireSignedURLs: false, scheduledDeletion: null };
    expect((await patchUpload(id, absent)).status).toBe(200);
    expect(await atStream(uid)).toMatchObject({
      meta: { name: "Untitled" },
      allowedOrigins: ["app.acme.com"],
      requireSignedURLs: true,
      scheduledDeletion: expect.stringContaining("T"),
    });
  });

  it.each<[body: unknown, refusal: (string | number)[]]>([
    ["[]", [400, "body_invalid"]],
    ["{", [400, "body_invalid"]],
    [{ watermark: { uid: "w" } }, [400, "body_invalid", "watermark"]],
    [{ uid: "0".repeat(32) }, [400, "body_invalid", "uid"]],
    [{ scheduledDeletion: "tomorrow" }, [400, "metadata_value_invalid", "scheduleddeletion"]],
    [{ meta: { name: "a", Name: "b" } }, [400, "upload_metadata_invalid", "name"]],
    [{ creator: "ümlaut" }, [400, "creator_invalid", "creator"]],
  ])("refuses %j, with CORS headers", async (body, expected) => {
    const { id } = await createUpload();
    const headers = { ...bearer(key), Origin: "https://app.acme.com" };
    const answer = patchUpload(id, body, headers);
    expect((await answer).headers.get("access-control-allow-origin")).toBe("https://app.acme.com");
    expect(await refusal(answer)).toEqual(expected);
    expect(calls()).not.toContain("POST");
  });

  it("is refused without the scope or the policy's feature, and for anyone else's upload", async () => {
    const { id } = await createUpload();
    const reader = await harness.operator("POST", "/tenants/acme/keys", { name: "r", scopes: ["uploads:read"] });
    expect(await refusal(patchUpload(id, {}, bearer(reader["key"] ?? "")))).toEqual([
      403,
      "scope_missing",
      "uploads:edit",
    ]);
    const other = await harness.tenant("other", { policy: { features: ["playback"] } });
    expect(await refusal(patchUpload(id, {}, bearer(other), "other"))).toEqual([
      403,
      "feature_not_allowed",
      "policy.features",
    ]);
    const third = await harness.tenant("third");
    expect(await refusal(patchUpload(id, {}, bearer(third), "third"))).toEqual([404, "not_found"]);
    expect(await refusal(patchUpload(id, {}, {}))).toEqual([401, "credential_missing"]);
  });

  it("lets end users edit their own uploads only, and not the creator", async () => {
    await harness.operator("PUT", "/issuers/idp", {
      ...hmacIssuer.document,
      tenant: { fixed: "acme" },
      scopes: ["uploads:create", "uploads:edit"],
    });
    const [mine, others] = [await hmacIssuer.sign("user-1"), await hmacIssuer.sign("user-2")];
    const { id } = await createUpload({}, mine);
    expect((await patchUpload(id, { meta: { name: "mine" } }, bearer(mine))).status).toBe(200);
    expect(await refusal(patchUpload(id, { meta: { name: "no" } }, bearer(others)))).toEqual([404, "not_found"]);
    expect(await refusal(patchUpload(id, { creator: "x" }, bearer(mine)))).toEqual([
      403,
      "policy_violation",
      "creator",
    ]);
  });

  it("lets one edit of a video run at a time", async () => {
    const { id, uid } = await createUpload();
    harness.stream.addFault({ on: "api", kind: "latency", milliseconds: 400 });
    const first = patchUpload(id, { meta: { name: "first" } });
    await expect.poll(calls).toEqual(["GET"]);
    const second = await patchUpload(id, { meta: { tag: "second" } });
    expect([second.status, second.headers.get("retry-after")]).toEqual([409, "1"]);
    expect((await problemOf(second)).code).toBe("edit_in_progress");
    expect((await first).status).toBe(200);
    expect((await patchUpload(id, { meta: { tag: "second" } })).status).toBe(200);
    expect((await atStream(uid))["meta"]).toMatchObject({ name: "first", tag: "second" });
  });

  it("reserves a longer duration first, and releases a shorter one when Stream has agreed", async () => {
    const { id, uid } = await createUpload();
    const before = await storedSeconds();
    expect(await refusal(patchUpload(id, { maxDurationSeconds: LIMIT - before + 61 }))).toEqual([
      429,
      "limit_exceeded",
    ]);
    expect([calls(), await storedSeconds()]).toEqual([[], before]);
    await patchUpload(id, { maxDurationSeconds: 100 });
    expect(await storedSeconds()).toBe(before + 40);
    harness.stream.addFault({ on: "api", kind: "latency", milliseconds: 0 });
    harness.stream.addFault({ on: "api", kind: "status", status: 400, body: JSON.stringify({ success: false }) });
    expect(await refusal(patchUpload(id, { maxDurationSeconds: 200 }))).toEqual([400, "stream_rejected"]);
    expect(await storedSeconds()).toBe(before + 40);
    await patchUpload(id, { maxDurationSeconds: 30 });
    expect([await storedSeconds(), (await atStream(uid))["maxDurationSeconds"]]).toEqual([before - 30, 30]);
    await fetch(`${harness.url}/v1/acme/uploads/${id}`, { method: "DELETE", headers: bearer(key) });
  });

  it("refuses a duration that no limit can ever admit", async () => {
    const small = await harness.tenant("small", { limits: { storedSeconds: 100 } });
    const answer = await create(harness.url, "small", bearer(small));
    const id = answer.headers.get("sluice-upload-id") ?? "";
    expect(await refusal(patchUpload(id, { maxDurationSeconds: 101 }, bearer(small), "small"))).toEqual([
      403,
      "limit_too_small",
    ]);
  });

  it("can be repeated after Stream's answer was lost, and nothing is left wrong", async () => {
    const { id, uid } = await createUpload({ name: "old" });
    const before = await storedSeconds();
    harness.stream.addFault({ on: "api", kind: "latency", milliseconds: 0 });
    harness.stream.addFault({ on: "api", kind: "reset-after" });
    const edit = { meta: { name: "new" }, maxDurationSeconds: 90 };
    expect(await refusal(patchUpload(id, edit))).toEqual([502, "stream_unreachable"]);
    expect(await storedSeconds()).toBe(before + 30);
    expect((await atStream(uid))["maxDurationSeconds"]).toBe(90);
    const repeated = await patchUpload(id, edit);
    expect(await repeated.json()).toMatchObject({ name: "new", seconds: 90 });
    expect(await storedSeconds()).toBe(before + 30);
  });

  it.each([
    ["of another video", { uid: "f".repeat(32), status: { state: "pendingupload" }, meta: { name: "theirs" } }],
    ["without a video", null],
  ])("passes on no answer %s", async (_, result) => {
    const { id } = await createUpload({ name: "old" });
    const body = JSON.stringify({ success: true, result });
    harness.stream.addFault({ on: "api", kind: "status", status: 200, body });
    expect(await refusal(patchUpload(id, { meta: { name: "new" } }))).toEqual([502, "stream_error"]);
    harness.stream.addFault({ on: "api", kind: "latency", milliseconds: 0 });
    harness.stream.addFault({ on: "api", kind: "status", status: 200, body });
    expect(await refusal(patchUpload(id, { meta: { name: "new" } }))).toEqual([502, "stream_bad_answer"]);
    const read = await fetch(`${harness.url}/v1/acme/uploads/${id}`, { headers: bearer(key) });
    expect(await read.json()).toMatchObject({ name: "old" });
    expect((await patchUpload(id, { meta: { name: "new" } })).status).toBe(200);
  });

  it("is a 404 when Stream has no such video, and leaves the reservation to the ledger", async () => {
    const { id, uid } = await createUpload();
    await stream.api("DELETE", `/${uid}`);
    expect(await refusal(patchUpload(id, { meta: { name: "n" } }))).toEqual([404, "not_found"]);
  });
});

describe("POST /client/v4/accounts/:tenant/stream/:uid", () => {
  it("answers with the video as GET shows it, in Cloudflare's envelope", async () => {
    const { uid, id } = await createUpload({ name: "old" });
    const answer = await postVideo(uid, { meta: { name: "new" }, requireSignedURLs: true });
    const body = (await answer.json()) as { result: object };
    const read = await fetch(`${harness.url}/client/v4/accounts/acme/stream/${uid}`, { headers: bearer(key) });
    expect(body).toEqual(await read.json());
    expect(body).toMatchObject({ success: true, result: { uid, meta: { name: "new" } } });
    expect(JSON.stringify(body)).not.toContain(id);
    expect(await refusal(postVideo(id, {}))).toEqual([404, "not_found"]);
  });

  it("changes a ready video, but no longer its duration; a deletion counts from the creation", async () => {
    const video = await readFile(videoPath);
    const { uid, id, location } = await createUpload({ name: "ready" }, key, video.byteLength);
    await sendFile(location, video);
    const state = async () =>
      (
        (await (await fetch(`${harness.url}/v1/acme/uploads/${id}`, { headers: bearer(key) })).json()) as {
          state: string;
        }
      ).state;
    await expect.poll(state, { timeout: 10_000 }).toBe("ready");
    harness.stream.clearRequests();
    expect(await refusal(postVideo(uid, { maxDurationSeconds: 100 }))).toEqual([409, "upload_not_pending"]);
    expect(calls()).toEqual([]);
    const answer = await postVideo(uid, { meta: { projectId: "p9" }, scheduledDeletion: ahead(70 * DAY) });
    expect(await answer.json()).toMatchObject({ result: { uid, meta: { name: "ready", projectId: "p9" } } });
    expect(await state()).toBe("ready");
  });
});

describe("upload.updated", () => {
  it("is sent when an edit changes what an event shows, with a number above those before", async () => {
    const owner = await harness.tenant("owner");
    await harness.operator("PUT", "/tenants/owner/endpoints/main", {
      url: `${harness.url}/healthz`,
      events: ["upload.updated"],
    });
    const answer = await create(harness.url, "owner", bearer(owner));
    const id = answer.headers.get("sluice-upload-id") ?? "";
    const edit = (body: object) => patchUpload(id, body, bearer(owner), "owner");
    await edit({ thumbnailTimestampPct: 0.5 });
    await edit({ meta: { name: "new" } });
    await edit({ meta: { name: "newer" } });
    const { events } = (await harness.operator("GET", "/tenants/owner/events")) as unknown as {
      events: { type: string; data: { sequence: number; upload: { name?: string } } }[];
    };
    expect(events.map(({ type, data }) => [type, data.sequence, data.upload.name])).toEqual([
      ["upload.updated", 12, "newer"],
      ["upload.updated", 6, "new"],
      ["upload.created", 1, undefined],
    ]);
  });
});
