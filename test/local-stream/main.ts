/** `node test/local-stream/main.ts [--port N] [--data FOLDER]`: a local Stream as a process of its own. */
import { parseArgs } from "node:util";
import { startLocalStream } from "./server.ts";

const { values } = parseArgs({ options: { port: { type: "string", default: "8788" }, data: { type: "string" } } });
const stream = await startLocalStream({ port: Number(values.port), ...(values.data && { dataDir: values.data }) });
const { apiBase, uploadHost, accountId, token } = stream;
console.log(JSON.stringify({ apiBase, uploadHost, accountId, token }));
process.once("SIGINT", () => void stream.close());
process.once("SIGTERM", () => void stream.close());
