import { readFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { type ServerName, type Surroundings, startServer } from "./servers.ts";

/** Size of a module in KiB gzip, as uploaded. */
export async function gzipKiB(path: string): Promise<number> {
  return gzipSync(await readFile(path)).byteLength / 1024;
}

/** Milliseconds from the start of workerd to the first response, on both sides in turn. */
export async function measureStartUps(times: number, surroundings: Surroundings) {
  const gateway: number[] = [];
  const baseline: number[] = [];
  for (let time = 0; time < times; time++) {
    baseline.push(await startUpMs("baseline", surroundings));
    gateway.push(await startUpMs("gateway", surroundings));
  }
  return { gateway, baseline };
}

/** The baseline answers every path the same. */
async function startUpMs(name: ServerName, surroundings: Surroundings): Promise<number> {
  const server = await startServer(name, surroundings);
  await fetch(`http://127.0.0.1:${server.port}/healthz`, {
    headers: { "Upload-Length": "1", "Upload-Metadata": "name YQ==" },
    redirect: "manual",
  });
  const milliseconds = performance.now() - server.startedAt;
  await server.stop();
  return milliseconds;
}
