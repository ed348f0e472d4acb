import type { TestProject } from "vitest/node";
import { startLocalStream } from "../../src/local-stream/server.ts";

/** A local Stream for tests inside workerd. */
export default async function provideStream(project: TestProject): Promise<() => Promise<void>> {
  // Videos stay as they are: what becomes of a file is tested elsewhere.
  const stream = await startLocalStream({ processingMs: 600_000 });
  const { url, apiBase, uploadHost, accountId, token } = stream;
  project.provide("stream", { url, apiBase, uploadHost, accountId, token });
  return () => stream.close();
}
