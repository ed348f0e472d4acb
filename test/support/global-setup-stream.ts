import type { TestProject } from "vitest/node";
import { startLocalStream } from "../../src/local-stream/server.ts";

/** Starts a local Stream for tests inside workerd, which cannot start one. */
export default async function provideStream(project: TestProject): Promise<() => Promise<void>> {
  // No video is processed during a run: other tests cover the processing.
  const stream = await startLocalStream({ processingMs: 600_000 });
  const { url, apiBase, uploadHost, accountId, token } = stream;
  project.provide("stream", { url, apiBase, uploadHost, accountId, token });
  return () => stream.close();
}
