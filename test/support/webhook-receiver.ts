import { type IncomingHttpHeaders, type ServerResponse, createServer } from "node:http";
import { Webhook } from "standardwebhooks";

/** A received delivery, verified with the Standard Webhooks library. */
export interface Received {
  readonly endpoint: string;
  readonly id: string;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** Indices of the endpoint's secrets that verify it. */
  readonly verifiedBy: readonly number[];
}

/** Responds to one delivery; `nth` counts the endpoint's deliveries, from 1. */
export type Behaviour = (response: ServerResponse, nth: number) => void;

export interface Receiver {
  readonly received: readonly Received[];
  url(endpoint: string): string;
  /** Sets how an endpoint responds; 204 by default. */
  behave(endpoint: string, behaviour: Behaviour): void;
  /** Adds a secret that verifies the endpoint's deliveries. */
  trust(endpoint: string, secret: string): void;
  of(endpoint: string): Received[];
  close(): Promise<void>;
}

/** Starts a tenant's backend with one endpoint per path. */
export async function startReceiver(): Promise<Receiver> {
  const received: Received[] = [];
  const behaviours = new Map<string, Behaviour>();
  const secrets = new Map<string, string[]>();
  const counts = new Map<string, number>();

  const server = createServer((request, response) => {
    const endpoint = (request.url ?? "").slice(1);
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const text = Buffer.concat(chunks).toString("utf8");
      const { headers } = request;
      const verifiedBy = (secrets.get(endpoint) ?? []).flatMap((secret, index) =>
        verifies(secret, text, headers) ? [index] : [],
      );
      received.push({ endpoint, id: String(headers["webhook-id"]), headers, text, verifiedBy });
      const nth = (counts.get(endpoint) ?? 0) + 1;
      counts.set(endpoint, nth);
      const behave = behaviours.get(endpoint) ?? ((reply) => void reply.writeHead(204).end());
      behave(response, nth);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;

  return {
    received,
    of: (endpoint) => received.filter((delivery) => delivery.endpoint === endpoint),
    url: (endpoint) => `http://127.0.0.1:${port}/${endpoint}`,
    behave: (endpoint, behaviour) => void behaviours.set(endpoint, behaviour),
    trust: (endpoint, secret) => void secrets.set(endpoint, [...(secrets.get(endpoint) ?? []), secret]),
    close() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

function verifies(secret: string, text: string, headers: IncomingHttpHeaders): boolean {
  try {
    new Webhook(secret).verify(text, headers as Record<string, string>);
    return true;
  } catch {
    return false;
  }
}
