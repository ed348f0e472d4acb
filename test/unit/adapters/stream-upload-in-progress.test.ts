import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, expect, it } from "vitest";
import { createStreamClient } from "../../../src/adapters/stream/client.ts";
import { createStreamVideos } from "../../../src/adapters/stream/videos.ts";

/** An upload URL that answers as its path says: `/<status>/<offset>`, without an offset where it is "none". */
const host = createServer((request, response) => {
  const [, status, offset] = (request.url ?? "").split("/");
  if (offset !== "none") response.setHeader("Upload-Offset", offset ?? "");
  response.writeHead(Number(status)).end();
}).listen(0, "127.0.0.1");
afterAll(() => host.close());

const client = createStreamClient({ deadlineMs: 1_000, onRateLimited: () => Promise.resolve() });
const { isUploadInProgress } = createStreamVideos(client);
const ask = (path: string) => isUploadInProgress(`http://127.0.0.1:${(host.address() as AddressInfo).port}${path}`);

it.each([
  ["/200/5", true],
  ["/200/0", false],
  ["/200/none", false],
  // "404 Not Found, 410 Gone or 403 Forbidden": there is no such upload. https://tus.io/protocols/resumable-upload#head
  ["/403/none", false],
  ["/404/none", false],
  ["/410/none", false],
  // None of tus: a basic link.
  ["/405/none", false],
  // Locked, busy or broken: that says nothing.
  ["/423/none", true],
  ["/429/none", true],
  ["/500/none", true],
  ["/503/none", true],
])("an upload whose URL answers %s may be running: %s", async (path, expected) => {
  expect(await ask(path)).toBe(expected);
});

it("an upload whose host does not answer may be running", async () => {
  expect(await isUploadInProgress("http://127.0.0.1:9/tus/1")).toBe(true);
});
