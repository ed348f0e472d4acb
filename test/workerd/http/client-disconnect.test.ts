import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { createApp } from "../../../src/app.ts";
import { parseConfig } from "../../../src/config.ts";
import { createDependencies } from "../../../src/dependencies.ts";
import { resetLocalStream, signedByStream, videos } from "../support/local-stream-fixture.ts";
import { request, seedTenant } from "../support/worker.ts";

/** After a client disconnects, the runtime finishes only work passed to `waitUntil`. */

resetLocalStream();

let key: string;
beforeEach(async () => {
  key = await seedTenant("acme", { upstream: "live" });
});

const credential = () => ({ authorization: `Bearer ${key}` });
const tus = { "tus-resumable": "1.0.0", "upload-length": "5" };

/** Sends a request and awaits only the work passed to `waitUntil`, not the response. */
async function sendAndDisconnect(method: string, path: string, init: RequestInit): Promise<void> {
  const work: Promise<unknown>[] = [];
  const context = {
    waitUntil: (promise: Promise<unknown>) => work.push(promise),
    passThroughOnException() {},
    props: {},
  };
  const sent = new Request(`https://sluice.example${path}`, { ...init, method });
  void createApp(createDependencies(env, parseConfig(env))).fetch(sent, env, context);
  await vi.waitUntil(() => work.length > 0, { timeout: 4_000 });
  await Promise.all(work);
}

const states = async () => (await env.LEDGER.getByName("acme").list({ limit: 10 })).uploads.map(({ state }) => state);

async function created() {
  const { headers } = await request("POST", "/v1/acme/uploads", { headers: { ...credential(), ...tus } });
  return { id: headers.get("sluice-upload-id") ?? "", uid: headers.get("stream-media-id") ?? "" };
}

describe("Worker, after the client disconnects", () => {
  it.each([
    ["/v1/acme/uploads", tus, {}],
    ["/v1/acme/direct-uploads", { "content-type": "application/json" }, { body: "{}" }],
  ])("records a creation at %s", async (path, headers, init) => {
    await sendAndDisconnect("POST", path, { headers: { ...credential(), ...headers }, ...init });
    expect(await states()).toEqual(["issued"]);
    expect(await videos()).toHaveLength(1);
  });

  it.each([
    ["/v1/acme/uploads", "id"],
    ["/client/v4/accounts/acme/stream", "uid"],
  ] as const)("deletes the video of a cancellation at %s", async (path, name) => {
    const upload = await created();
    await sendAndDisconnect("DELETE", `${path}/${upload[name]}`, { headers: credential() });
    expect(await states()).toEqual(["cancelled"]);
    expect(await videos()).toEqual([]);
  });

  it("records a Stream notification", async () => {
    const { id, uid } = await created();
    const body = JSON.stringify({ uid, status: { state: "ready" }, duration: 5, meta: { sluice: `acme/${id}` } });
    await sendAndDisconnect("POST", "/hooks/stream/live", { headers: await signedByStream(body), body });
    expect(await states()).toEqual(["ready"]);
  });
});
