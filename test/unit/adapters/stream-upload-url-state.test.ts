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

const client = createStreamClient({ deadlineMs: 1_000, allowLoopback: true, onRateLimited: () => Promise.resolve() });
const { uploadUrlState } = createStreamVideos(client);
const check = (path: string) => uploadUrlState(`http://127.0.0.1:${(host.address() as AddressInfo).port}${path}`);

describe("uploadUrlState", () => {
  it.each([
    ["/200/5", "in use"],
    ["/200/0", "empty"],
    ["/200/none", "empty"],
    // "404 Not Found, 410 Gone or 403 Forbidden": the upload does not exist. https://tus.io/protocols/resumable-upload#head
    ["/403/none", "dead"],
    ["/404/none", "dead"],
    ["/410/none", "dead"],
    // A basic link, which does not support tus.
    ["/405/none", "dead"],
    // Locked, busy or failing: unclear.
    ["/423/none", "unclear"],
    ["/429/none", "unclear"],
    ["/500/none", "unclear"],
    ["/503/none", "unclear"],
  ])("for %s is %s", async (path, expected) => {
    expect(await check(path)).toBe(expected);
  });

  it("is unclear when the host does not answer", async () => {
    expect(await uploadUrlState("http://127.0.0.1:9/tus/1")).toBe("unclear");
  });
});
