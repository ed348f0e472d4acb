import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, describe, expect, it } from "vitest";
import { createStreamClient } from "../../../src/adapters/stream/client.ts";
import { createStreamVideos } from "../../../src/adapters/stream/videos.ts";

/** Answers with the status and the offset in the path, `/<status>/<offset>`; without an offset if it is "none". */
const host = createServer((request, response) => {
  const [, status, offset] = (request.url ?? "").split("/");
  if (offset !== "none") response.setHeader("Upload-Offset", offset ?? "");
  response.writeHead(Number(status)).end();
}).listen(0, "127.0.0.1");
afterAll(() => host.close());

const client = createStreamClient({ deadlineMs: 1_000, onRateLimited: () => Promise.resolve() });
const { isUploadInProgress } = createStreamVideos(client);
const check = (path: string) => isUploadInProgress(`http://127.0.0.1:${(host.address() as AddressInfo).port}${path}`);

describe("isUploadInProgress", () => {
  it.each([
    ["/200/5", true],
    ["/200/0", false],
    ["/200/none", false],
    // "404 Not Found, 410 Gone or 403 Forbidden": the upload does not exist. https://tus.io/protocols/resumable-upload#head
    ["/403/none", false],
    ["/404/none", false],
    ["/410/none", false],
    // A basic link, which does not support tus.
    ["/405/none", false],
    // Locked, busy or failing: unclear.
    ["/423/none", true],
    ["/429/none", true],
    ["/500/none", true],
    ["/503/none", true],
  ])("for %s returns %s", async (path, expected) => {
    expect(await check(path)).toBe(expected);
  });

  it("returns true when the host does not answer", async () => {
    expect(await isUploadInProgress("http://127.0.0.1:9/tus/1")).toBe(true);
  });
});
