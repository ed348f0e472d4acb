import { type IncomingMessage, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Webhook } from "standardwebhooks";
import type { UploadEventBody } from "../../src/domain/upload-event.ts";

/** An endpoint of each tenant, at a path of its own, that believes nothing whose signature is not right. */
export interface Receiver {
  readonly url: string;
  /** By `webhook-id`. */
  readonly received: ReadonlyMap<string, UploadEventBody>;
  /** Deliveries of what had been received already. */
  readonly repeated: number;
  readonly problems: readonly string[];
  trust(tenant: string, secret: string): void;
  stop(): Promise<void>;
}

export async function startReceiver(): Promise<Receiver> {
  const webhooks = new Map<string, Webhook>();
  const received = new Map<string, UploadEventBody>();
  const problems: string[] = [];
  let repeated = 0;

  const server = createServer((request, response) => {
    receive(request)
      .then(() => response.writeHead(204).end())
      .catch((error: unknown) => {
        problems.push(String(error));
        response.writeHead(400).end();
      });
  });

  async function receive(request: IncomingMessage): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString("utf8");
    const tenant = request.url?.slice(1) ?? "";
    const event = webhooks.get(tenant)?.verify(text, request.headers as Record<string, string>) as UploadEventBody;
    const id = String(request.headers["webhook-id"]);
    if (event.data.tenant !== tenant) throw new Error(`${id} came to ${tenant}`);
    const before = received.get(id);
    if (before) repeated++;
    if (before && JSON.stringify(before) !== text) throw new Error(`${id} is not what it was`);
    received.set(id, event);
  }

  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    problems,
    get repeated() {
      return repeated;
    },
    trust: (tenant, secret) => void webhooks.set(tenant, new Webhook(secret)),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
