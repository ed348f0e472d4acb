/**
 * `node src/local-stream/main.ts [--port N] [--data FOLDER]`: runs a local Stream as a separate process.
 * STREAM_PORT and STREAM_DATA are alternatives to the flags. Prints one line of JSON when it is ready; Ctrl-C stops it.
 */
import { parseArgs } from "node:util";
import { startLocalStream } from "./server.ts";

const { STREAM_PORT = "8788", STREAM_DATA } = process.env;
const { values } = parseArgs({ options: { port: { type: "string", default: STREAM_PORT }, data: { type: "string" } } });
const dataDir = values.data ?? STREAM_DATA;

try {
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new Error("The port must be 0 to 65535.");
  const stream = await startLocalStream({ port, ...(dataDir !== undefined && { dataDir }) });
  const { url, apiBase, uploadHost, accountId, token, email, globalKey } = stream;
  console.log(JSON.stringify({ url, apiBase, uploadHost, accountId, token, email, globalKey }));
  process.once("SIGINT", () => void stream.close());
  process.once("SIGTERM", () => void stream.close());
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
