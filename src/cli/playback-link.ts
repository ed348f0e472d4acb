import { setTimeout as sleep } from "node:timers/promises";

/** Stream takes about as long as the video lasts; longer ones are not waited for. */
const READY_TIMEOUT_MS = 5 * 60_000;
const POLL_MS = 1_000;

/** An upload, with what is needed to read it from the gateway. */
export interface UploadAccess {
  /** Of the tenant's uploads. */
  readonly endpoint: string;
  readonly key: string;
  readonly id: string;
}

/** What the gateway says about an upload: docs/api.md. */
interface UploadDocument {
  readonly state: string;
  readonly failure?: string;
  readonly playback?: { readonly hls?: string };
  readonly signed?: true;
}

/**
 * Waits until Stream has processed an upload.
 *
 * @param onWait called after each question, with the seconds so far
 * @returns its last document: not `ready` if Stream failed, or takes longer than five minutes; `undefined` if the key may not read it
 */
export async function waitUntilReady(
  { endpoint, key, id }: UploadAccess,
  onWait: (seconds: number) => void,
): Promise<UploadDocument | undefined> {
  const start = Date.now();
  for (;;) {
    const answer = await fetch(`${endpoint}/${id}`, { headers: { Authorization: `Bearer ${key}` } });
    if (answer.status >= 400 && answer.status < 500 && answer.status !== 429) return undefined;
    const upload = answer.ok ? ((await answer.json()) as UploadDocument) : undefined;
    const isOver = Date.now() - start > READY_TIMEOUT_MS;
    if (isOver || (upload && !["reserved", "issued", "unknown"].includes(upload.state))) return upload;
    onWait(Math.round((Date.now() - start) / 1_000));
    await sleep(POLL_MS);
  }
}

/**
 * A link that plays a ready video: with a token if the key may sign one.
 *
 * @returns why there is none, if the video needs a token that the gateway refuses, or has no player that is known
 */
export async function playbackLink(
  { endpoint, key, id }: UploadAccess,
  { playback, signed }: UploadDocument,
): Promise<{ readonly link: string } | { readonly reason: string }> {
  const answer = await fetch(`${endpoint}/${id}/playback`, {
    method: "POST",
    headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
    body: "{}",
  });
  const { iframe, detail } = (await answer.json()) as { iframe?: string; detail?: string };
  if (!answer.ok && signed) return { reason: `It plays with a token only. ${detail}` };
  // Stream's player is beside the manifests.
  const link = answer.ok ? iframe : playback?.hls?.replace(/\/manifest\/video\.m3u8$/, "/iframe");
  return link === undefined ? { reason: "Stream has not said where it plays." } : { link };
}
