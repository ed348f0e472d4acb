import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, type Server } from "node:net";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ROOT } from "../../src/cli/paths.ts";

let folder: string;
let server: Server;
/** What is answered to every request, with a 403. */
let answer: unknown;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-upload-"));
  await writeFile(join(folder, "video.mp4"), "no video");
  server = createServer((_, response) => response.writeHead(403).end(JSON.stringify(answer)));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
afterAll(async () => {
  server.close();
  await rm(folder, { recursive: true });
});

/** What it says where it fails. */
async function upload(path: string, ...more: string[]): Promise<string> {
  const args = [join(ROOT, "src", "cli", "upload.ts"), path, "--key", "k", ...more];
  const env = { ...process.env, SLUICE_STATE: folder };
  const failed = await promisify(execFile)(process.execPath, args, { env }).catch((error: unknown) => error);
  expect(failed).toMatchObject({ code: 1 });
  return (failed as { stderr: string }).stderr;
}

describe("npm run upload", () => {
  it.each([
    [join(ROOT, "src"), "is not a file."],
    [join(ROOT, "nothing.mp4"), "Cannot read "],
  ])("says in a line what is wrong with %s", async (path, reason) => {
    expect(await upload(path)).toMatch(new RegExp(`^[^\n]*${reason}[^\n]*\n$`));
  });

  it.each<[string, unknown, RegExp]>([
    [
      "the gateway, in its words",
      { code: "policy_violation", detail: "Too long.", requestId: "r1", errors: [{ code: 10005, message: "Bad" }] },
      /^Refused \(403 policy_violation\): Too long\.\nRequest r1\n$/,
    ],
    [
      "Cloudflare, in the words of its messages",
      { errors: [{ code: 10005, message: "Bad Request" }], messages: [{ code: 10005, message: "expiry is too soon" }] },
      /^Refused \(403 10005\): expiry is too soon\n$/,
    ],
    [
      "Cloudflare, in the words of its errors where there are no messages",
      { success: false, errors: [{ code: 10000, message: "Authentication error" }], messages: [], result: null },
      /^Refused \(403 10000\): Authentication error\n$/,
    ],
    ["somebody else, in the client's words", { error: "Forbidden" }, /^The upload failed: tus: .*response code: 403/],
    ["somebody who says nothing", null, /^The upload failed: tus: .*response code: 403/],
  ])("tells a refusal by %s", async (_, body, said) => {
    answer = body;
    const { port } = server.address() as AddressInfo;
    expect(await upload(join(folder, "video.mp4"), "--url", `http://127.0.0.1:${port}`)).toMatch(said);
  });
});
