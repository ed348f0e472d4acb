import { afterEach, expect, it, vi } from "vitest";
import { createStreamClient } from "../../../src/adapters/stream/client.ts";
import { createStreamWebhooks } from "../../../src/adapters/stream/webhooks.ts";
import type { Upstream } from "../../../src/core/stream/rules/upstream.ts";
import { registerStreamWebhook } from "../../../src/core/stream-events/register-stream-webhook.ts";

const upstream = {
  accountId: "account",
  apiBase: "https://api.example",
  credential: { kind: "token", token: "t" },
} as Upstream;
const OURS = "https://sluice.example/hooks/stream/eu";
const THEIRS = "https://other.example/events";

afterEach(() => vi.unstubAllGlobals());

interface Settings {
  readonly status?: number;
  readonly force?: boolean;
  /** What Stream then says that it has made. */
  readonly made?: object;
}

/** Registers at a Stream that shows this of the account's webhook; gives how it went, and what was changed. */
async function register(
  shown: unknown,
  { status = 200, force = false, made = { notificationUrl: OURS, secret: "new" } }: Settings = {},
) {
  const put = vi.fn<() => void>();
  vi.stubGlobal("fetch", async (_: string, { method }: RequestInit) => {
    if (method === "PUT") put();
    const [text, code] = method === "PUT" ? [JSON.stringify({ success: true, result: made }), 200] : [shown, status];
    return new Response(typeof text === "string" ? text : JSON.stringify(text), { status: code });
  });
  const client = createStreamClient({ deadlineMs: 1_000, onRateLimited: () => Promise.resolve() });
  const registered = await registerStreamWebhook(createStreamWebhooks(client), upstream, OURS, force);
  const outcome = registered.ok ? registered.value : registered.problem.code;
  return { outcome, detail: registered.ok ? "" : registered.problem.detail, replaces: put.mock.calls.length > 0 };
}

const result = (webhook: unknown) => ({ success: true, errors: [], messages: [], result: webhook });

it.each([
  ["under Stream's name", { notificationUrl: THEIRS, secret: "theirs" }],
  ["under the name that its schema has too", { notification_url: THEIRS, secret: "theirs" }],
  ["without its secret", { notificationUrl: THEIRS }],
])("another's webhook that is shown %s is not replaced unless that is wanted", async (_, webhook) => {
  const refused = await register(result(webhook));
  expect(refused).toMatchObject({ outcome: "conflict", replaces: false });
  expect(refused.detail).toContain(THEIRS);
  expect((await register(result(webhook), { force: true })).outcome).toMatchObject({
    notificationUrl: OURS,
    secret: "new",
    replaced: { notificationUrl: THEIRS },
  });
});

it("the gateway's own stays where its secret is shown, and without it is not replaced unasked either", async () => {
  expect(await register(result({ notification_url: OURS, secret: "old" }))).toMatchObject({
    outcome: { notificationUrl: OURS, secret: "old" },
    replaces: false,
  });
  expect(await register(result({ notificationUrl: OURS }))).toMatchObject({ outcome: "conflict", replaces: false });
  expect((await register(result({ notificationUrl: OURS }), { force: true })).outcome).toMatchObject({ secret: "new" });
});

it.each([
  ["a 404", "", 404],
  ["a result of null", result(null), 200],
  ["an empty result", result({}), 200],
  ["an empty URL", result({ notificationUrl: "", secret: "", modified: "0001-01-01T00:00:00Z" }), 200],
  ["a URL of null", result({ notification_url: null }), 200],
])("there is none by %s", async (_, shown, status) => {
  expect(await register(shown, { status })).toMatchObject({ outcome: { secret: "new" }, replaces: true });
});

it.each([
  ["no JSON", "<html>"],
  ["no result", { success: true }],
  ["a field that nobody knows", result({ url: THEIRS })],
  ["a secret alone", result({ secret: "theirs" })],
  ["a list", result([{ notificationUrl: THEIRS }])],
  ["a URL that is no text", result({ notificationUrl: 1 })],
])("an answer with %s says nothing of a webhook: nothing is replaced, not even if that is wanted", async (_, shown) => {
  expect(await register(shown, { force: true })).toMatchObject({ outcome: "stream_bad_answer", replaces: false });
});

it("a webhook that was made is good for nothing without its secret", async () => {
  expect((await register("", { status: 404, made: { notificationUrl: OURS } })).outcome).toBe("stream_bad_answer");
});
