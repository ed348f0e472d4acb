import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { patch } from "../../src/local-stream/client.ts";
import { makeVideo } from "../../src/local-stream/make-video.ts";
import type { TestGateway } from "./gateway.ts";
import { bearer, create } from "./http.ts";

/** Seconds of the videos that `readyVideo` uploads. */
export const READY_SECONDS = 2;

const WAIT_MS = 10_000;

let file: Promise<Buffer> | undefined;

/** Uploads a short video through the gateway. @returns its uid */
export async function uploadVideo(
  { url }: TestGateway,
  tenant: string,
  credential: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<string> {
  file ??= shortVideo();
  const bytes = await file;
  const more = { "Upload-Length": String(bytes.byteLength), ...headers };
  const created = await create(url, tenant, { ...bearer(credential), ...more });
  if (created.status !== 201) throw new Error(`creation: ${created.status} ${await created.text()}`);
  const sent = await patch(created.headers.get("location") ?? "", 0, bytes);
  if (sent.status !== 204) throw new Error(`upload: ${sent.status}`);
  return created.headers.get("stream-media-id") ?? "";
}

/**
 * Uploads a short video through the gateway, and waits until the tenant's ledger has seen that it is ready.
 *
 * @param headers of the creation, beside the credential
 * @returns its uid
 */
export async function readyVideo(
  harness: TestGateway,
  tenant: string,
  credential: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<string> {
  const uid = await uploadVideo(harness, tenant, credential, headers);
  // Hooks have no `expect.poll`.
  const deadline = Date.now() + WAIT_MS;
  while ((await stateOf(harness, tenant, credential, uid)) !== "ready") {
    if (Date.now() > deadline) throw new Error(`The video ${uid} is not ready after ${WAIT_MS} ms.`);
    await setTimeout(100);
  }
  return uid;
}

async function stateOf({ url }: TestGateway, tenant: string, credential: string, uid: string): Promise<unknown> {
  const answer = await fetch(`${url}/v1/${tenant}/uploads/${uid}`, { headers: bearer(credential) });
  return ((await answer.json()) as { state?: unknown }).state;
}

export async function shortVideo(): Promise<Buffer> {
  const folder = await mkdtemp(join(tmpdir(), "sluice-"));
  try {
    const path = join(folder, "video.mp4");
    await makeVideo({ path, seconds: READY_SECONDS });
    return await readFile(path);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
