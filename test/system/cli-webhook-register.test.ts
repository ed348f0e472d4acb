import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createStreamClient } from "../../src/local-stream/client.ts";
import { startLocalStream } from "../../src/local-stream/server.ts";
import { type LocalStream } from "../../src/local-stream/local-stream.ts";
import { runCli } from "../support/cli.ts";
import { type TestGateway, startTestGateway } from "../support/gateway.ts";
import { bearer, create } from "../support/http.ts";
import { metadataHeader } from "../support/metadata.ts";
import { OPERATOR_TOKEN } from "../support/operator-api.ts";

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

const register = (args: readonly string[], environment: Record<string, string> = {}) =>
  runCli("src/cli/webhook-register.ts", args, { PATH: process.env["PATH"], ...environment });

async function webhook(): Promise<{ notificationUrl: string; secret: string }> {
  return (await createStreamClient(stream).api<{ notificationUrl: string; secret: string }>("GET", "/webhook")).result;
}

describe("npm run webhook:register for the account of the environment", () => {
  const account = () => ({
    STREAM_API_BASE: stream.apiBase,
    STREAM_ACCOUNT_ID: stream.accountId,
    STREAM_API_TOKEN: stream.token,
  });
  const args = ["--gateway", GATEWAY, "--print"];

  it("registers the gateway and prints only the secret to standard output", async () => {
    const { code, stdout, stderr } = await register(args, account());
    expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining("STREAM_WEBHOOK_SECRETS") });
    const made = await webhook();
    expect(made.notificationUrl).toBe(`${GATEWAY}/hooks/stream/default`);
    expect(stdout).toBe(`${made.secret}\n`);
    // The second time it changes nothing.
    expect((await register(args, account())).stdout).toBe(stdout);
  });

  it("keeps the secret of the gateway's previous address valid", async () => {
    const { secret } = await webhook();
    const moved = await register(["--gateway", "https://new.example.com", "--print", "--force"], account());
    expect(moved.stderr).toContain(`Replaced ${GATEWAY}/hooks/stream/default`);
    expect(moved.stdout).toBe(`${(await webhook()).secret},${secret}\n`);
  });

  it("replaces the webhook of another service only with --force, and does not trust its secret", async () => {
    const theirs = "https://other.example.com/events";
    await createStreamClient(stream).api("PUT", "/webhook", { notificationUrl: theirs });
    const refused = await register(args, account());
    expect(refused.code).toBe(1);
    expect(refused.stdout).toBe("");
    expect(refused.stderr).toContain(theirs);
    expect(refused.stderr).toContain("--force");
    expect((await webhook()).notificationUrl).toBe(theirs);
    const forced = await register([...args, "--force"], account());
    expect(forced.stdout).toBe(`${(await webhook()).secret}\n`);
  });

  it.each<[string, readonly string[], Record<string, string>, string]>([
    ["no gateway", [], {}, "--gateway"],
    ["a gateway that is not a URL", ["--gateway", "uploads"], {}, "--gateway must be an https URL"],
    [
      "a gateway without a public name",
      ["--gateway", "https://10.0.0.1", "--force"],
      {},
      "--gateway must be an https URL",
    ],
    ["an invalid upstream id", ["--gateway", GATEWAY, "--upstream", "A B"], {}, "--upstream"],
    ["no account", args, {}, "STREAM_ACCOUNT_ID"],
    ["no credential", args, { STREAM_ACCOUNT_ID: "a" }, "STREAM_API_TOKEN"],
    ["an unknown option", ["--verbose"], {}, "verbose"],
  ])("prints an error and no stack trace for %s", async (_, options, environment, message) => {
    const { code, stderr } = await register(options, environment);
    expect(code).toBe(1);
    expect(stderr).toContain(message);
    expect(stderr).not.toContain("    at ");
  });

  it("prints Stream's error, and the host that it cannot reach", async () => {
    const revoked = await register(args, { ...account(), STREAM_API_TOKEN: "revoked" });
    expect(revoked).toMatchObject({ code: 1, stderr: expect.stringContaining("Stream answered 401") });
    const unreachable = await register(args, { ...account(), STREAM_API_BASE: "http://127.0.0.1:1" });
    expect(unreachable).toMatchObject({ code: 1, stderr: expect.stringContaining("Stream cannot be reached") });
  });

  it("prints its usage with --help", async () => {
    expect(await register(["--help"])).toMatchObject({ code: 0, stdout: expect.stringContaining("npm run webhook") });
  });
});

describe("npm run webhook:register for an upstream of the operator API", () => {
  const operator = { OPERATOR_TOKEN };

  it("registers the gateway, which accepts Stream's notifications afterwards", async () => {
    const { accountId, apiBase, uploadHost, token } = stream;
    await harness.operator("PUT", "/upstreams/eu?check=false", {
      accountId,
      apiBase,
      uploadHosts: [uploadHost],
      apiToken: token,
    });
    const key = await harness.tenant("acme", { upstream: "eu" });
    const args = ["--gateway", harness.url, "--upstream", "eu"];
    const refused = await register(args, operator);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining("--force") });
    expect(await register([...args, "--force"], operator)).toMatchObject({ code: 0, stdout: "" });
    expect((await webhook()).notificationUrl).toBe(`${harness.url}/hooks/stream/eu`);

    // An empty file is complete at once, and its processing fails.
    const headers = { ...bearer(key), "Upload-Length": "0", "Upload-Metadata": metadataHeader({ name: "cats" }) };
    const uid = (await create(harness.url, "acme", headers)).headers.get("stream-media-id");
    await expect.poll(() => stream.deliveries().find((one) => one.uid === uid)?.status, { timeout: 10_000 }).toBe(200);
  });

  it("prints an error for a missing or wrong token, an unknown upstream and another address", async () => {
    const args = ["--gateway", harness.url, "--upstream", "eu"];
    expect(await register(args)).toMatchObject({ code: 1, stderr: expect.stringContaining("OPERATOR_TOKEN") });
    const wrong = await register(args, { OPERATOR_TOKEN: "another-token-altogether" });
    expect(wrong).toMatchObject({ code: 1, stderr: expect.stringContaining("operator token is not valid") });
    const none = await register(["--gateway", harness.url, "--upstream", "none"], operator);
    expect(none).toMatchObject({ code: 1, stderr: expect.stringContaining("no such upstream") });
    const other = await register(["--gateway", stream.url, "--upstream", "eu"], operator);
    expect(other).toMatchObject({ code: 1, stderr: expect.stringContaining("Is --gateway the gateway's address?") });
    const unreachable = await register(["--gateway", "http://127.0.0.1:1", "--upstream", "eu"], operator);
    expect(unreachable).toMatchObject({ code: 1, stderr: expect.stringContaining("is unreachable") });
  });
});
