import { expect } from "vitest";
import type { TestGateway } from "./gateway.ts";
import { bearer, create } from "./http.ts";
import { readyVideo } from "./ready-video.ts";
import { LOCAL_WATERMARK, type Route, formOf } from "./route-table.ts";

/** With this policy, every route succeeds that has what it needs. */
export const OPEN_POLICY = {
  metadata: { watermark: { oneOf: [LOCAL_WATERMARK] } },
  playback: { downloadable: true },
};

/**
 * Makes what a route needs of the tenant, which has `OPEN_POLICY`.
 *
 * @param key of the tenant, with all scopes
 * @returns the uid of a new upload; `undefined` if the route needs none
 */
export async function prepareRoute(
  harness: TestGateway,
  route: Route,
  tenant: string,
  key: string,
): Promise<string | undefined> {
  if (!route.path.includes(":id")) return undefined;
  if (route.needs === undefined)
    return (await create(harness.url, tenant, bearer(key))).headers.get("stream-media-id") ?? "";
  const uid = await readyVideo(harness, tenant, key);
  const prepare = async (method: string, path: string, init: RequestInit = {}) => {
    const url = `${harness.url}/v1/${tenant}/uploads/${uid}${path}`;
    expect((await fetch(url, { method, headers: bearer(key), ...init })).status).toBe(200);
  };
  if (route.needs === "captions") await prepare("PUT", "/captions/en", { body: formOf("WEBVTT\n") });
  if (route.needs === "downloads") await prepare("POST", "/downloads");
  return uid;
}
