/** `npm run webhook:register -- --gateway URL`: registers a gateway as the webhook of a Stream account. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createStreamClient } from "../adapters/stream/client.ts";
import { createStreamWebhooks } from "../adapters/stream/webhooks.ts";
import { parseDefaultUpstream } from "../config.ts";
import { isFetchableUrl } from "../core/shared/fetched-url.ts";
import { DEFAULT_UPSTREAM, TENANT_ID } from "../core/shared/tenant.ts";
import { registerStreamWebhook } from "../core/stream-events/register-stream-webhook.ts";
import { ROOT } from "./paths.ts";
import { runMain } from "./run-main.ts";

const HELP = `Registers a gateway as the webhook of a Stream account, at URL/hooks/stream/UPSTREAM.

  npm run webhook:register -- --gateway URL [--upstream ID] [--force] [--print]

  --gateway URL   the gateway's public address, e.g. https://uploads.example.com
  --upstream ID   an upstream of the operator API; default: "default", the environment's upstream
  --force         replaces the account's existing webhook to another URL
  --print         prints the secret instead of running "wrangler secret put" ("default" only)

An account has one webhook. Registering the same URL again keeps it and stores its secret again.

"default" needs the gateway's STREAM_ACCOUNT_ID, and STREAM_API_TOKEN or STREAM_API_EMAIL and STREAM_API_KEY
(and STREAM_API_BASE if it is not Cloudflare's). The command stores the secret as the Worker's secret STREAM_WEBHOOK_SECRETS
with the signed-in wrangler. Any other upstream needs OPERATOR_TOKEN: the gateway registers it with its own credential and
keeps the secret.`;
const DEADLINE_MS = 15_000;
const SECRET_NAME = "STREAM_WEBHOOK_SECRETS";

await runMain(main);

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
  if (!values.gateway || !isFetchableUrl(values.gateway, true))
    throw new Error(`--gateway must be an https URL of a public name, without user info.\n\n${HELP}`);
  if (!TENANT_ID.test(values.upstream)) throw new Error("--upstream must be the id of an upstream.");
  const gateway = new URL(values.gateway).origin;
  if (values.upstream === DEFAULT_UPSTREAM) await registerDefault(gateway, values.force, values.print);
  else await registerNamed(gateway, values.upstream, values.force);
}

/** Registers at Stream directly and stores the secret with wrangler, since a Worker cannot change its own settings. */
async function registerDefault(gateway: string, force: boolean, print: boolean): Promise<void> {
  const url = `${gateway}/hooks/stream/${DEFAULT_UPSTREAM}`;
  const upstream = parseDefaultUpstream(process.env);
  if (!upstream) throw new Error("Set STREAM_ACCOUNT_ID and a credential.");
  const client = createStreamClient({
    deadlineMs: DEADLINE_MS,
    allowLoopback: true,
    onRateLimited: () => Promise.resolve(),
  });
  const registered = await registerStreamWebhook(createStreamWebhooks(client), upstream, url, force);
  if (!registered.ok) throw new Error(withAdvice(registered.problem.code, registered.problem.detail));
  const { secret, replaced } = registered.value;
  if (replaced) console.error(`Replaced ${replaced.notificationUrl}.`);
  console.error(`The account's webhook is ${url}.`);

  // Notifications in flight to an earlier address of the gateway are signed with that webhook's secret.
  const isOurs = replaced && new URL(replaced.notificationUrl).pathname === new URL(url).pathname;
  const secrets = [secret, ...(isOurs && replaced.secret ? [replaced.secret] : [])].join(",");
  if (print) {
    console.error(`Set the gateway's secret ${SECRET_NAME} to this value; notifications are refused until then:`);
    return console.log(secrets);
  }
  console.error(`Storing its secret: wrangler secret put ${SECRET_NAME}`);
  const status = await putSecret(secrets);
  if (status !== 0)
    throw new Error(
      `wrangler exited with ${status}, and the secret is not stored: notifications are refused until it is. ` +
        "Run this again with a signed-in wrangler, or with --print to set the secret yourself.",
    );
}

/** Passes the secret on standard input: arguments are visible to every process of the machine. */
function putSecret(value: string): Promise<number | null> {
  const wrangler = join(ROOT, "node_modules", "wrangler", "bin", "wrangler.js");
  return new Promise((resolve, reject) => {
    const args = [wrangler, "secret", "put", SECRET_NAME, "--config", join(ROOT, "wrangler.toml")];
    const child = spawn(process.execPath, args, { stdio: ["pipe", "inherit", "inherit"] });
    child.on("error", reject).on("exit", resolve);
    child.stdin.on("error", () => {}).end(value);
  });
}

/** Registers through the operator API. */
async function registerNamed(gateway: string, upstream: string, force: boolean): Promise<void> {
  const token = process.env["OPERATOR_TOKEN"];
  if (!token) throw new Error("Set OPERATOR_TOKEN to call the operator API.");
  const answer = await fetch(`${gateway}/admin/v1/upstreams/${upstream}/webhook`, {
    method: "PUT",
    headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
    body: JSON.stringify({ gateway, force }),
    signal: AbortSignal.timeout(2 * DEADLINE_MS),
  }).catch((error: Error) => {
    throw new Error(`${gateway} is unreachable: ${error.message}`);
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(explain(answer.status, text));
  const { notificationUrl, replaced } = JSON.parse(text) as { notificationUrl: string; replaced?: string };
  if (replaced !== undefined) console.error(`Replaced ${replaced}.`);
  console.error(`The account's webhook is ${notificationUrl}. The gateway has stored its secret.`);
}

function explain(status: number, text: string): string {
  const foreign = `The answer (status ${status}) is not the operator API's. Is --gateway the gateway's address?`;
  try {
    const { code = "", detail } = JSON.parse(text) as { code?: string; detail?: string };
    return detail === undefined ? foreign : withAdvice(code, detail);
  } catch {
    return foreign;
  }
}

function withAdvice(code: string, detail: string): string {
  return code === "conflict" ? `${detail}\nUse --force to replace it.` : detail;
}
