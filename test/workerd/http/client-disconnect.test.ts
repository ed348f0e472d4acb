import { env } from "cloudflare:workers";
import { beforeEach, expect, it, vi } from "vitest";
import { createApp } from "../../../src/app.ts";
import { parseConfig } from "../../../src/config.ts";
import { createDependencies } from "../../../src/dependencies.ts";
import { resetLocalStream, signedByStream, videos } from "../support/local-stream-fixture.ts";
import { request, seedTenant } from "../support/worker.ts";

/** What becomes of what was begun for a client that has hung up: the runtime goes on only with what it was handed. */

resetLocalStream();

let key: string;
beforeEach(async () => {
  key = await seedTenant("acme", { upstream: "live" });
});

const credential = () => ({ authorization: `Bearer ${key}` });
const tus = { "tus-resumable": "1.0.0", "upload-length": "5" };

/** Waits for what the runtime was handed, and for no answer. */
async function hangUp(method: string, path: string, init: RequestInit): Promise<void> {
  const handed: Promise<unknown>[] = [];
  const context = { waitUntil: (work: Promise<unknown>) => handed.push(work), passThroughOnException() {}, props: {} };
  const asked = new Request(`https://sluice.example${path}`, { ...init, method });
  void createApp(createDependencies(env, parseConfig(env))).fetch(asked, env, context);
  await vi.waitUntil(() => handed.length > 0, { timeout: 4_000 });
  await Promise.all(handed);
}

const states = async () => (await env.LEDGER.getByName("acme").list({ limit: 10 })).uploads.map(({ state }) => state);

async function created() {
  const { headers } = await request("POST", "/v1/acme/uploads", { headers: { ...credential(), ...tus } });
  return { id: headers.get("sluice-upload-id") ?? "", uid: headers.get("stream-media-id") ?? "" };
}

it.each([
  ["/v1/acme/uploads", tus, {}],
  ["/v1/acme/direct-uploads", { "content-type": "application/json" }, { body: "{}" }],
])("a creation at %s is recorded", async (path, headers, init) => {
  await hangUp("POST", path, { headers: { ...credential(), ...headers }, ...init });
  expect(await states()).toEqual(["issued"]);
  expect(await videos()).toHaveLength(1);
});

it.each([
  ["/v1/acme/uploads", "id"],
  ["/client/v4/accounts/acme/stream", "uid"],
] as const)("a cancellation at %s takes the video away", async (path, name) => {
  const upload = await created();
  await hangUp("DELETE", `${path}/${upload[name]}`, { headers: credential() });
  expect(await states()).toEqual(["cancelled"]);
  expect(await videos()).toEqual([]);
});

it("an event of Stream's is taken in", async () => {
  const { id, uid } = await created();
  const body = JSON.stringify({ uid, status: { state: "ready" }, duration: 5, meta: { sluice: `acme/${id}` } });
  await hangUp("POST", "/hooks/stream/live", { headers: await signedByStream(body), body });
  expect(await states()).toEqual(["ready"]);
});
