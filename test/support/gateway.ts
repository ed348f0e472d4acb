import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inject } from "vitest";
import { startGateway } from "../../src/cli/gateway.ts";
import { registerLocalWebhook } from "../../src/cli/local-webhook.ts";
import { type LocalStreamOptions, startLocalStream } from "../../src/local-stream/server.ts";
import { type LocalStream } from "../../src/local-stream/local-stream.ts";
import { freePort } from "./free-port.ts";
import type { GatewayTemplate } from "./gateway-template.ts";
import { type LedgerRow, ageState, readLedgers } from "./ledgers.ts";
import { OPERATOR_TOKEN, type OperatorApi, operatorApi } from "./operator-api.ts";

/** Settings of a gateway in front of this Stream. */
export function settingsFor(stream: LocalStream): Record<string, string> {
  return {
    OPERATOR_TOKEN,
    GRANT_KEYS: `g1:${Buffer.alloc(32, 1).toString("base64")}`,
    MASTER_KEYS: `m1:${Buffer.alloc(32, 2).toString("base64")}`,
    STREAM_API_BASE: stream.apiBase,
    STREAM_UPLOAD_HOSTS: stream.uploadHost,
    STREAM_ACCOUNT_ID: stream.accountId,
    STREAM_API_TOKEN: stream.token,
    ALLOW_LOOPBACK: "true",
  };
}

/** The built Worker with a local Stream behind it. Tests use it over HTTP only. */
export interface TestGateway {
  readonly url: string;
  readonly stream: LocalStream;
  /** The Worker's log, one line per request. */
  readonly log: string[];
  readonly operator: OperatorApi;
  /** Creates or replaces a tenant and returns a new key of it. */
  tenant(id: string, document?: object, key?: object): Promise<string>;
  /** Makes upload URLs, events and endpoints older, as far as the gateway knows, and restarts it. */
  age(seconds: number): Promise<void>;
  /** The rows of each ledger on disk. Restarts the gateway. */
  ledgers(): Promise<LedgerRow[][]>;
  stop(): Promise<void>;
}

/** Starts a gateway on a copy of `template`. Programs that do not run in Vitest create their own template. */
export async function startTestGateway(
  settings: Readonly<Record<string, string>> = {},
  streamOptions: LocalStreamOptions = {},
  template: GatewayTemplate = inject("gatewayTemplate"),
): Promise<TestGateway> {
  const statePath = await mkdtemp(join(tmpdir(), "sluice-"));
  await cp(template.statePath, statePath, { recursive: true });
  const stream = await startLocalStream(streamOptions);
  const log: string[] = [];
  // Stream needs the gateway's address before the gateway starts, and the gateway needs the secret that Stream returns.
  const port = await freePort();
  const secret = await registerLocalWebhook(stream, `http://127.0.0.1:${port}`);
  stream.clearRequests();
  const start = () =>
    startGateway({
      port,
      workerOptions: template.workerOptions,
      statePath,
      onLog: (line) => log.push(line),
      settings: { ...settingsFor(stream), STREAM_WEBHOOK_SECRETS: secret, ...settings },
    });
  let gateway = await start();
  const operator = operatorApi(gateway.url);
  const whileStopped = async <T>(work: () => T): Promise<T> => {
    await gateway.stop();
    const done = work();
    gateway = await start();
    return done;
  };

  return {
    url: gateway.url,
    stream,
    log,
    operator,
    async tenant(id, document = {}, key = { name: "test" }) {
      await operator("PUT", `/tenants/${id}`, document);
      return (await operator("POST", `/tenants/${id}/keys`, key))["key"] ?? "";
    },
    age: (seconds) => whileStopped(() => ageState(statePath, seconds)),
    ledgers: () => whileStopped(() => readLedgers(statePath)),
    async stop() {
      await gateway.stop();
      await stream.close();
      await rm(statePath, { recursive: true, force: true });
    },
  };
}

/** Headers of the last creation that Stream received: lower-case names, the last one of each name. */
export function sentToStream(stream: LocalStream): Record<string, string> {
  const raw = stream.creations().at(-1)?.rawHeaders ?? [];
  const headers: Record<string, string> = {};
  for (let index = 0; index < raw.length; index += 2) headers[(raw[index] ?? "").toLowerCase()] = raw[index + 1] ?? "";
  return headers;
}
