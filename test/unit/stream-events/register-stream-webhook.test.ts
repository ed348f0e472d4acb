import { afterEach, describe, expect, it, vi } from "vitest";
import { createStreamClient } from "../../../src/adapters/stream/client.ts";
import { createStreamWebhooks } from "../../../src/adapters/stream/webhooks.ts";
import { registerStreamWebhook } from "../../../src/core/stream-events/register-stream-webhook.ts";
import { upstreamFixture } from "../../support/upstream-fixture.ts";

const upstream = upstreamFixture();
const OURS = "https://sluice.example/hooks/stream/eu";
const THEIRS = "https://other.example/events";

afterEach(() => vi.unstubAllGlobals());

interface Settings {
  readonly status?: number;
  readonly force?: boolean;
  /** Stream's answer to the registration. */
  readonly created?: object;
}

/** Registers at a Stream with this current webhook. */
async function register(
  current: unknown,
  { status = 200, force = false, created = { notificationUrl: OURS, secret: "new" } }: Settings = {},
) {
  const put = vi.fn<() => void>();
  vi.stubGlobal("fetch", async (_: string, { method }: RequestInit) => {
    if (method === "PUT") put();
    const [text, code] =
      method === "PUT" ? [JSON.stringify({ success: true, result: created }), 200] : [current, status];
    return new Response(typeof text === "string" ? text : JSON.stringify(text), { status: code });
  });
  const client = createStreamClient({ deadlineMs: 1_000, allowLoopback: true, onRateLimited: () => Promise.resolve() });
  const registered = await registerStreamWebhook(createStreamWebhooks(client), upstream, OURS, force);
  const outcome = registered.ok ? registered.value : registered.problem.code;
  return { outcome, detail: registered.ok ? "" : registered.problem.detail, replaces: put.mock.calls.length > 0 };
}

const result = (webhook: unknown) => ({ success: true, errors: [], messages: [], result: webhook });

describe("registerStreamWebhook", () => {
  it.each([
    ["under Stream's name", { notificationUrl: THEIRS, secret: "theirs" }],
    ["under the second name in its schema", { notification_url: THEIRS, secret: "theirs" }],
    ["without its secret", { notificationUrl: THEIRS }],
  ])("replaces another webhook, shown %s, only by force", async (_, webhook) => {
    const conflict = await register(result(webhook));
    expect(conflict).toMatchObject({ outcome: "conflict", replaces: false });
    expect(conflict.detail).toContain(THEIRS);
    expect((await register(result(webhook), { force: true })).outcome).toMatchObject({
      notificationUrl: OURS,
      secret: "new",
      replaced: { notificationUrl: THEIRS },
    });
  });

  it("keeps the gateway's webhook when its secret is shown, and replaces it only by force when not", async () => {
    expect(await register(result({ notification_url: OURS, secret: "old" }))).toMatchObject({
      outcome: { notificationUrl: OURS, secret: "old" },
      replaces: false,
    });
    expect(await register(result({ notificationUrl: OURS }))).toMatchObject({ outcome: "conflict", replaces: false });
    expect((await register(result({ notificationUrl: OURS }), { force: true })).outcome).toMatchObject({
      secret: "new",
    });
  });

  it.each([
    ["a 404", "", 404],
    ["a result of null", result(null), 200],
    ["an empty result", result({}), 200],
    ["an empty URL", result({ notificationUrl: "", secret: "", modified: "0001-01-01T00:00:00Z" }), 200],
    ["a URL of null", result({ notification_url: null }), 200],
  ])("registers when the answer means no webhook: %s", async (_, current, status) => {
    expect(await register(current, { status })).toMatchObject({ outcome: { secret: "new" }, replaces: true });
  });

  it.each([
    ["no JSON", "<html>"],
    ["no result", { success: true }],
    ["an unknown field", result({ url: THEIRS })],
    ["a secret alone", result({ secret: "theirs" })],
    ["a list", result([{ notificationUrl: THEIRS }])],
    ["a URL that is not a string", result({ notificationUrl: 1 })],
  ])("replaces nothing, even by force, when the answer is unknown: %s", async (_, current) => {
    expect(await register(current, { force: true })).toMatchObject({ outcome: "stream_bad_answer", replaces: false });
  });

  it("returns stream_bad_answer when Stream returns no secret", async () => {
    expect((await register("", { status: 404, created: { notificationUrl: OURS } })).outcome).toBe("stream_bad_answer");
  });
});
