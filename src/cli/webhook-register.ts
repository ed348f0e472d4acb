/** `npm run webhook:register -- --gateway URL`: has a Stream account's events sent to a gateway. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createStreamWebhooks } from "../adapters/stream/webhooks.ts";
import { STREAM_API_BASE } from "../core/stream/rules/defaults.ts";
import { DEFAULT_UPSTREAM, TENANT_ID } from "../core/shared/tenant.ts";
import type { Upstream } from "../core/stream/rules/upstream.ts";
import { registerStreamWebhook } from "../core/stream-events/register-stream-webhook.ts";
import { ROOT } from "./paths.ts";

const HELP = `Has a Stream account's events sent to a gateway, at URL/hooks/stream/UPSTREAM.

  npm run webhook:register -- --gateway URL [--upstream ID] [--force] [--print]

  --gateway URL   the gateway's public address, e.g. https://uploads.example.com
  --upstream ID   an upstream of the operator's API; without it, the upstream "default" of the environment
  --force         replaces a webhook that the account has already, and that is another's
  --print         prints the secret instead of running "wrangler secret put" ("default" only)

An account has one webhook. Registered again, it stays as it is, and its secret is stored again.

"default" needs STREAM_ACCOUNT_ID, and STREAM_API_TOKEN or STREAM_API_EMAIL and STREAM_API_KEY, as the gateway has them
(STREAM_API_BASE too, where it is not Cloudflare's). The secret becomes the Worker's secret STREAM_WEBHOOK_SECRETS, by the
wrangler that is signed in here. Any other upstream needs OPERATOR_TOKEN: the gateway registers it with the credential that
it has, and keeps the secret itself.`;
const DEADLINE_MS = 15_000;
const SECRET_NAME = "STREAM_WEBHOOK_SECRETS";

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      gateway: { type: "string" },
      upstream: { type: "string", default: DEFAULT_UPSTREAM },
      force: { type: "boolean", default: false },
      print: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return console.log(HELP);
  if (!values.gateway || !URL.canParse(values.gateway)) throw new Error(`Give the gateway's address.\n\n${HELP}`);
  if (!TENANT_ID.test(values.upstream)) throw new Error("--upstream must be the id of an upstream.");
  const gateway = new URL(values.gateway).origin;
  if (values.upstream === DEFAULT_UPSTREAM) await registerDefault(gateway, values.force, values.print);
  else await registerNamed(gateway, values.upstream, values.force);
}

/** At Stream by ourselves, and the secret by wrangler: a Worker cannot change its own settings. */
async function registerDefault(gateway: string, force: boolean, print: boolean): Promise<void> {
  const url = `${gateway}/hooks/stream/${DEFAULT_UPSTREAM}`;
  const registered = await registerStreamWebhook(
    createStreamWebhooks(DEADLINE_MS),
    upstreamOfEnvironment(),
    url,
    force,
  );
  if (!registered.ok) throw new Error(withAdvice(registered.problem.code, registered.problem.detail));
  const { secret, replaced } = registered.value;
  if (replaced) console.error(`Replaced ${replaced.notificationUrl}.`);
  console.error(`The account's webhook is ${url}.`);

  // Events on their way to an older address of the gateway are signed with the secret of that one.
  const isOurs = replaced && new URL(replaced.notificationUrl).pathname === new URL(url).pathname;
  const secrets = [secret, ...(isOurs && replaced.secret ? [replaced.secret] : [])].join(",");
  if (print) {
    console.error(`Set the secret ${SECRET_NAME} of the gateway to this; events are refused until then:`);
    return console.log(secrets);
  }
  console.error(`Storing its secret: wrangler secret put ${SECRET_NAME}`);
  const status = await putSecret(secrets);
  if (status !== 0)
    throw new Error(
      `wrangler ended with ${status}, and the secret is not stored: events are refused until it is. ` +
        "Run this again when wrangler is signed in, or with --print to set the secret yourself.",
    );
}

function upstreamOfEnvironment(): Upstream {
  const env = (name: string) => process.env[name]?.trim() ?? "";
  const [accountId, token] = [env("STREAM_ACCOUNT_ID"), env("STREAM_API_TOKEN")];
  const [email, key] = [env("STREAM_API_EMAIL"), env("STREAM_API_KEY")];
  if (!accountId) throw new Error("Set STREAM_ACCOUNT_ID.");
  if (!token && !(email && key)) throw new Error("Set STREAM_API_TOKEN, or STREAM_API_EMAIL and STREAM_API_KEY.");
  return {
    id: DEFAULT_UPSTREAM,
    accountId,
    apiBase: (env("STREAM_API_BASE") || STREAM_API_BASE).replace(/\/+$/, ""),
    uploadHosts: [],
    callsPerWindow: 0,
    credential: token ? { kind: "token", token } : { kind: "key", email, key },
    webhookSecrets: [],
  };
}

/** Through standard input: what is in an argument can be read by every process of the machine. */
function putSecret(value: string): Promise<number | null> {
  const wrangler = join(ROOT, "node_modules", "wrangler", "bin", "wrangler.js");
  return new Promise((resolve, reject) => {
    const args = [wrangler, "secret", "put", SECRET_NAME, "--config", join(ROOT, "wrangler.toml")];
    const child = spawn(process.execPath, args, { stdio: ["pipe", "inherit", "inherit"] });
    child.on("error", reject).on("exit", resolve);
    child.stdin.on("error", () => {}).end(value);
  });
}

/** By the operator's API. */
async function registerNamed(gateway: string, upstream: string, force: boolean): Promise<void> {
  const token = process.env["OPERATOR_TOKEN"];
  if (!token) throw new Error("Set OPERATOR_TOKEN, to call the operator's API.");
  const answer = await fetch(`${gateway}/admin/v1/upstreams/${upstream}/webhook`, {
    method: "PUT",
    headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
    body: JSON.stringify({ gateway, force }),
    signal: AbortSignal.timeout(2 * DEADLINE_MS),
  }).catch((error: Error) => {
    throw new Error(`${gateway} cannot be reached: ${error.message}`);
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(explain(answer.status, text));
  const { notificationUrl, replaced } = JSON.parse(text) as { notificationUrl: string; replaced?: string };
  if (replaced !== undefined) console.error(`Replaced ${replaced}.`);
  console.error(`The account's webhook is ${notificationUrl}, and the gateway has its secret.`);
}

function explain(status: number, text: string): string {
  const foreign = `The gateway answered ${status}, and not as the operator's API does. Is --gateway its address?`;
  try {
    const { code = "", detail } = JSON.parse(text) as { code?: string; detail?: string };
    return detail === undefined ? foreign : withAdvice(code, detail);
  } catch {
    return foreign;
  }
}

function withAdvice(code: string, detail: string): string {
  return code === "conflict" ? `${detail}\nWith --force it is replaced.` : detail;
}
