import { Agent, type IncomingHttpHeaders, request as httpRequest } from "node:http";
import type { FuzzRequest } from "./requests.ts";

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Above the longest deadline of the gateway. */
const TIMEOUT_MS = 60_000;
/** A request with the path and the headers of a 9,000-character segment is refused by the runtime, which closes the connection. */
const agent = new Agent({ keepAlive: true });

/** Sends a request as it is: `fetch` would normalise it. Repeats it once on a new connection, since the first may just be closed. */
export async function send(url: string, request: FuzzRequest): Promise<Answer> {
  try {
    return await sendOnce(url, request, agent);
  } catch {
    return sendOnce(url, request, false);
  }
}

function sendOnce(url: string, { method, path, headers, body }: FuzzRequest, agent: Agent | false): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { hostname, port, host } = new URL(url);
    const flat = ["Host", host, ...headers.flat()];
    if (body) flat.push("Content-Length", String(body.byteLength));
    const request = httpRequest({ hostname, port, method, path, headers: flat, agent }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const { statusCode = 0, headers } = response;
        resolve({ status: statusCode, headers, body: Buffer.concat(chunks) });
      });
    });
    request.setTimeout(TIMEOUT_MS, () => request.destroy(new Error(`No answer within ${TIMEOUT_MS} ms.`)));
    request.on("error", reject);
    request.end(body);
  });
}

/** Closes the idle connections. */
export function closeConnections(): void {
  agent.destroy();
}
