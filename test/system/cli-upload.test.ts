import { writeFile } from "node:fs/promises";
import { type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ROOT } from "../../src/cli/paths.ts";
import { runCli } from "../support/cli.ts";
import { tmpFolder } from "../support/files.ts";

const folder = tmpFolder();
let server: Server;
/** The body of every response; its status is 403. */
let body: unknown;

beforeAll(async () => {
  await writeFile(join(folder, "video.mp4"), "no video");
  server = createServer((_, response) => response.writeHead(403).end(JSON.stringify(body)));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
afterAll(() => void server.close());

/** Uploads a file, which fails, and returns what it prints. */
async function upload(path: string, ...more: string[]): Promise<string> {
  const env = { ...process.env, SLUICE_STATE: folder };
  const failed = await runCli("src/cli/upload.ts", [path, "--key", "k", ...more], env);
  expect(failed).toMatchObject({ code: 1 });
  return failed.stderr;
}

describe("npm run upload", () => {
  it.each([
    [join(ROOT, "src"), "is not a file."],
    [join(ROOT, "nothing.mp4"), "Cannot read "],
  ])("prints one line about %s, which is no file", async (path, reason) => {
    expect(await upload(path)).toMatch(new RegExp(`^[^\\n]*${reason}[^\\n]*\\n$`));
  });

  it.each<[string, unknown, RegExp]>([
    [
      "the detail of the gateway's problem document",
      { code: "policy_violation", detail: "Too long.", requestId: "r1", errors: [{ code: 10005, message: "Bad" }] },
      /^Refused \(403 policy_violation\): Too long\.\nRequest r1\n$/,
    ],
    [
      "Cloudflare's message",
      { errors: [{ code: 10005, message: "Bad Request" }], messages: [{ code: 10005, message: "expiry is too soon" }] },
      /^Refused \(403 10005\): expiry is too soon\n$/,
    ],
    [
      "Cloudflare's error if there is no message",
      { success: false, errors: [{ code: 10000, message: "Authentication error" }], messages: [], result: null },
      /^Refused \(403 10000\): Authentication error\n$/,
    ],
    [
      "the client's error if the body is unknown",
      { error: "Forbidden" },
      /^The upload failed: tus: .*response code: 403/,
    ],
    ["the client's error if the body is null", null, /^The upload failed: tus: .*response code: 403/],
  ])("prints %s when the creation is refused", async (_, refusal, printed) => {
    body = refusal;
    const { port } = server.address() as AddressInfo;
    expect(await upload(join(folder, "video.mp4"), "--url", `http://127.0.0.1:${port}`)).toMatch(printed);
  });
});
