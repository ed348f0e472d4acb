/**
 * `npm start [-- --json]`: starts a local Stream, the gateway in front of it, and a tenant to try it with.
 *
 * PORT and STREAM_PORT choose the ports. If STREAM_API_BASE is set, the gateway uses that Stream and no local one starts.
 */
import { createServer } from "node:net";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import { allSettings, upstreamSettings } from "../config.ts";
import { startGateway } from "./gateway.ts";
import { loadSettings, saveSettings } from "./local-settings.ts";
import { registerLocalWebhook } from "./local-webhook.ts";
import { STATE } from "./paths.ts";
import { runMain } from "./run-main.ts";
import { DEMO_POLICY, DEMO_TENANT, seedDemo, seedSigningKey } from "./seed-demo.ts";
import { ensureBuilt, ensureMigrated, readWorkerOptions } from "./wrangler.ts";

const DEFAULT_PORT = 8787;
const DEFAULT_STREAM_PORT = 8788;
/** What the Stream account takes: also for the local Stream. */
const ACCOUNT_LIMITS = new Set(["STREAM_CALLS_PER_WINDOW", "STREAM_MAX_UPLOAD_BYTES", "STREAM_MAX_VIDEO_SECONDS"]);
/** Settings of the Stream account. Without STREAM_API_BASE the local Stream provides them. */
const STREAM_SETTINGS = upstreamSettings().filter((name) => !ACCOUNT_LIMITS.has(name));
/** Forwarded from the environment to the Worker. ALLOW_LOOPBACK is always on here: this is a development machine. */
const FORWARDED_SETTINGS = allSettings().filter((name) => !STREAM_SETTINGS.includes(name) && name !== "ALLOW_LOOPBACK");
/** More than a basic upload may have, so that it needs tus: https://developers.cloudflare.com/stream/uploading-videos/ */
const SAMPLE_BYTES = 210_000_000;
const SAMPLE_SECONDS = 30;

const { values: flags } = parseArgs({ options: { json: { type: "boolean", default: false } } });
// Ctrl-C needs no handler: Miniflare stops workerd with this process, and everything else runs in it.
await runMain(main);

async function main(): Promise<void> {
  const port = readPort("PORT", DEFAULT_PORT);
  await assertPortFree("PORT", port);
  if (!flags.json) console.log("Building and starting the gateway …");
  const external = Boolean(process.env["STREAM_API_BASE"]);
  const [settings, stream, workerOptions] = await Promise.all([
    loadSettings(STATE),
    external ? undefined : startStream(port),
    readWorkerOptions(),
    ensureBuilt(),
  ]);
  await ensureMigrated(STATE);
  const names = external ? [...FORWARDED_SETTINGS, ...STREAM_SETTINGS] : FORWARDED_SETTINGS;
  const forwarded = names.flatMap((name): [string, string][] => (process.env[name] ? [[name, process.env[name]]] : []));
  const { demoKey: _, ...secrets } = settings;
  const worker = { ...secrets, ALLOW_LOOPBACK: "true", ...stream?.settings, ...Object.fromEntries(forwarded) };

  const gateway = await startGateway({
    port,
    workerOptions,
    settings: worker,
    statePath: STATE,
    onLog: (line) => console.error(line),
  });
  const operatorToken = worker.OPERATOR_TOKEN;
  const seed = async () => {
    const key = await seedDemo(gateway.url, operatorToken, settings.demoKey);
    // Nothing is made in an account that is someone's: there, Stream signs.
    if (stream) await seedSigningKey(gateway.url, operatorToken);
    return key;
  };
  const key = await seed().catch(async (error: unknown) => {
    // The Worker's log, which says more, arrives before the gateway has stopped.
    await gateway.stop();
    throw error;
  });
  if (key !== settings.demoKey) await saveSettings(STATE, { ...settings, demoKey: key });

  if (flags.json) console.log(JSON.stringify({ url: gateway.url, operatorToken, tenant: DEMO_TENANT, key }));
  else console.log(welcome(gateway.url, operatorToken, key, stream?.sample));
}

/** Starts the local Stream and makes a sample video. Loaded lazily, since an external Stream needs neither. */
async function startStream(gatewayPort: number) {
  const { startLocalStream } = await import("../local-stream/server.ts");
  const { makeVideo } = await import("../local-stream/make-video.ts");
  const streamPort = readPort("STREAM_PORT", DEFAULT_STREAM_PORT);
  if (streamPort === gatewayPort) throw new Error("PORT and STREAM_PORT must be different ports.");
  await assertPortFree("STREAM_PORT", streamPort);
  const ignored = STREAM_SETTINGS.filter((name) => process.env[name]);
  if (ignored.length > 0) console.error(`Ignored, since STREAM_API_BASE is not set: ${ignored.join(", ")}.`);
  const stream = await startLocalStream({ port: streamPort, dataDir: join(STATE, "stream") });
  const sample = join(STATE, "sample.mp4");
  await makeVideo({ path: sample, seconds: SAMPLE_SECONDS, bytes: SAMPLE_BYTES });
  return {
    sample,
    settings: {
      STREAM_API_BASE: stream.apiBase,
      STREAM_UPLOAD_HOSTS: stream.uploadHost,
      STREAM_ACCOUNT_ID: stream.accountId,
      STREAM_API_TOKEN: stream.token,
      STREAM_WEBHOOK_SECRETS: await registerLocalWebhook(stream, `http://127.0.0.1:${gatewayPort}`),
    },
  };
}

function readPort(name: "PORT" | "STREAM_PORT", fallback: number): number {
  const port = Number(process.env[name] || fallback);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new Error(`${name} must be a port, 1 to 65535.`);
  return port;
}

/** Throws before anything has started if a port is in use, and names the variable that chooses another. */
async function assertPortFree(name: "PORT" | "STREAM_PORT", port: number): Promise<void> {
  const probe = createServer();
  await new Promise<void>((resolve, reject) => {
    probe.once("error", reject).listen(port, "127.0.0.1", () => probe.close(() => resolve()));
  }).catch(() => {
    throw new Error(`Port ${port} is in use. Choose another with ${name}=…`);
  });
}

function welcome(url: string, operatorToken: string, key: string, sample = "YOUR-VIDEO.mp4"): string {
  return `
Sluice is at ${url}

  tus endpoint    ${url}/v1/${DEMO_TENANT}/uploads
  key of "${DEMO_TENANT}"   ${key}
  operator token  ${operatorToken}

For the examples in README.md and docs, paste this into another terminal:

  export URL=${url} TENANT=${DEMO_TENANT} KEY=${key} OPERATOR_TOKEN=${operatorToken}

Upload a video:

  npm run upload -- ${relative(process.cwd(), sample)} --url ${url} --tenant ${DEMO_TENANT} --key ${key}

It ends with a link: open it in a browser to watch the video.

Videos of "${DEMO_TENANT}" may last ${DEMO_POLICY.metadata.maxdurationseconds.max} seconds; see the policy refuse one:

  npm run upload -- ${relative(process.cwd(), sample)} --url ${url} --tenant ${DEMO_TENANT} --key ${key} --meta maxdurationseconds=36000

Ctrl-C stops it; data stay in ${relative(process.cwd(), STATE)}.
`;
}
