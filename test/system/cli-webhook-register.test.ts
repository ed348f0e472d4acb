import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ROOT } from "../../src/cli/paths.ts";
import { createStreamClient } from "../../src/local-stream/client.ts";
import { startLocalStream } from "../../src/local-stream/server.ts";
import { type LocalStream } from "../../src/local-stream/local-stream.ts";
import { type TestGateway, startTestGateway } from "../support/gateway.ts";
import { bearer, create } from "../support/http.ts";
import { metadataHeader } from "../support/metadata.ts";
import { OPERATOR_TOKEN } from "../support/operator-api.ts";

/** `npm run webhook:register`, as a process. */

const GATEWAY = "https://uploads.example.com";

let harness: TestGateway;
let stream: LocalStream;

beforeAll(async () => {
  harness = await startTestGateway({ REGISTRY_CACHE_SECONDS: "0" });
  stream = await startLocalStream({ accountId: "other-account" });
});
afterAll(async () => {
  await harness.stop();
  await stream.close();
});

interface Ended {
  readonly code: number;
  readonly output: string;
  readonly errors: string;
}

async function register(args: readonly string[], environment: Record<string, string> = {}): Promise<Ended> {
  const env = { PATH: process.env["PATH"] ?? "", ...environment };
  try {
    const cli = join(ROOT, "src", "cli", "webhook-register.ts");
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [cli, ...args], { env });
    return { code: 0, output: stdout, errors: stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, output: stdout, errors: stderr };
  }
}

async function webhook(): Promise<{ notificationUrl: string; secret: string }> {
  return (await createStreamClient(stream).api<{ notificationUrl: string; secret: string }>("GET", "/webhook")).result;
}

describe("for the environment's account", () => {
  const account = () => ({
    STREAM_API_BASE: stream.apiBase,
    STREAM_ACCOUNT_ID: stream.accountId,
    STREAM_API_TOKEN: stream.token,
  });
  const args = ["--gateway", GATEWAY, "--print"];

  it("registers the gateway, and prints nothing but the secret to standard output", async () => {
    const { code, output, errors } = await register(args, account());
    expect({ code, errors }).toMatchObject({ code: 0, errors: expect.stringContaining("STREAM_WEBHOOK_SECRETS") });
    const made = await webhook();
    expect(made.notificationUrl).toBe(`${GATEWAY}/hooks/stream/default`);
    expect(output).toBe(`${made.secret}\n`);
    // Again: it stays as it is.
    expect((await register(args, account())).output).toBe(output);
  });

  it("keeps the secret of the gateway's older address valid", async () => {
    const { secret } = await webhook();
    const moved = await register(["--gateway", "https://new.example.com", "--print", "--force"], account());
    expect(moved.errors).toContain(`Replaced ${GATEWAY}/hooks/stream/default`);
    expect(moved.output).toBe(`${(await webhook()).secret},${secret}\n`);
  });

  it("replaces another's webhook only with --force, and does not trust its secret", async () => {
    const theirs = "https://other.example.com/events";
    await createStreamClient(stream).api("PUT", "/webhook", { notificationUrl: theirs });
    const refused = await register(args, account());
    expect(refused.code).toBe(1);
    expect(refused.output).toBe("");
    expect(refused.errors).toContain(theirs);
    expect(refused.errors).toContain("--force");
    expect((await webhook()).notificationUrl).toBe(theirs);
    const forced = await register([...args, "--force"], account());
    expect(forced.output).toBe(`${(await webhook()).secret}\n`);
  });

  it.each<[string, readonly string[], Record<string, string>, string]>([
    ["no gateway", [], {}, "--gateway"],
    ["a gateway that is no URL", ["--gateway", "uploads"], {}, "--gateway"],
    ["an upstream that is none", ["--gateway", GATEWAY, "--upstream", "A B"], {}, "--upstream"],
    ["no account", args, {}, "STREAM_ACCOUNT_ID"],
    ["no credential", args, { STREAM_ACCOUNT_ID: "a" }, "STREAM_API_TOKEN"],
    ["an option that is none", ["--verbose"], {}, "verbose"],
  ])("says what is wrong with %s", async (_, given, environment, message) => {
    const { code, errors } = await register(given, environment);
    expect(code).toBe(1);
    expect(errors).toContain(message);
    expect(errors).not.toContain("    at ");
  });

  it("tells what Stream says, and what it cannot reach", async () => {
    const revoked = await register(args, { ...account(), STREAM_API_TOKEN: "revoked" });
    expect(revoked).toMatchObject({ code: 1, errors: expect.stringContaining("Stream answered 401") });
    const nobody = await register(args, { ...account(), STREAM_API_BASE: "http://127.0.0.1:1" });
    expect(nobody).toMatchObject({ code: 1, errors: expect.stringContaining("Stream cannot be reached") });
  });

  it("explains itself", async () => {
    expect(await register(["--help"])).toMatchObject({ code: 0, output: expect.stringContaining("npm run webhook") });
  });
});

describe("for an upstream of the operator's API", () => {
  const operator = { OPERATOR_TOKEN };

  it("has the gateway register itself, and Stream's events are taken in from then on", async () => {
    const { accountId, apiBase, uploadHost, token } = stream;
    await harness.operator("PUT", "/upstreams/eu", { accountId, apiBase, uploadHosts: [uploadHost], apiToken: token });
    const key = await harness.tenant("acme", { upstream: "eu" });
    const args = ["--gateway", harness.url, "--upstream", "eu"];
    const refused = await register(args, operator);
    expect(refused).toMatchObject({ code: 1, errors: expect.stringContaining("--force") });
    expect(await register([...args, "--force"], operator)).toMatchObject({ code: 0, output: "" });
    expect((await webhook()).notificationUrl).toBe(`${harness.url}/hooks/stream/eu`);

    // An empty file is complete at once, and no video.
    const headers = { ...bearer(key), "Upload-Length": "0", "Upload-Metadata": metadataHeader({ name: "cats" }) };
    const uid = (await create(harness.url, "acme", headers)).headers.get("stream-media-id");
    await expect.poll(() => stream.deliveries().find((one) => one.uid === uid)?.status, { timeout: 10_000 }).toBe(200);
  });

  it("says what is wrong", async () => {
    const args = ["--gateway", harness.url, "--upstream", "eu"];
    expect(await register(args)).toMatchObject({ code: 1, errors: expect.stringContaining("OPERATOR_TOKEN") });
    const wrong = await register(args, { OPERATOR_TOKEN: "another-token-altogether" });
    expect(wrong).toMatchObject({ code: 1, errors: expect.stringContaining("operator token is not valid") });
    const none = await register(["--gateway", harness.url, "--upstream", "none"], operator);
    expect(none).toMatchObject({ code: 1, errors: expect.stringContaining("no such upstream") });
    const other = await register(["--gateway", stream.url, "--upstream", "eu"], operator);
    expect(other).toMatchObject({ code: 1, errors: expect.stringContaining("Is --gateway the gateway's address?") });
    const nobody = await register(["--gateway", "http://127.0.0.1:1", "--upstream", "eu"], operator);
    expect(nobody).toMatchObject({ code: 1, errors: expect.stringContaining("is unreachable") });
  });
});
