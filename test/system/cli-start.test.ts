import { decodeJwt, decodeProtectedHeader } from "jose";
import { readFile, stat } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { startLocalStream } from "../../src/local-stream/server.ts";
import { type LocalStream } from "../../src/local-stream/local-stream.ts";
import { type Browser, startBrowser } from "../support/browser.ts";
import { type RunningCli, startCli } from "../support/cli.ts";
import { tmpFolder, videoFile } from "../support/files.ts";
import { freePort } from "../support/free-port.ts";
import { bearer, create } from "../support/http.ts";

/** `npm start` and `npm run upload`, as processes. The first start creates the state, which the later ones use. */

const state = join(tmpFolder(), "state");
const video = videoFile({ seconds: 2, bytes: 120_000_000 });
const smallVideo = videoFile({ name: "small.mp4", seconds: 2 });
const running: RunningCli[] = [];

afterEach(async () => {
  for (const { child, exited } of running.splice(0)) {
    child.kill("SIGINT");
    await exited;
  }
});

function run(script: string, args: readonly string[], environment: Record<string, string> = {}): RunningCli {
  const cli = startCli(`src/cli/${script}`, args, { ...process.env, SLUICE_STATE: state, ...environment });
  running.push(cli);
  return cli;
}

/** Stream's player. */
const LINK = /^Watch it: (http:\/\/127\.0\.0\.1:\d+\/\S+\/iframe)$/;

const freePortText = async () => String(await freePort());

interface Ready {
  readonly url: string;
  readonly operatorToken: string;
  readonly tenant: string;
  readonly key: string;
}

async function start(environment: Record<string, string>): Promise<{ cli: RunningCli; ready: Ready }> {
  const cli = run("start.ts", ["--json"], { PORT: await freePortText(), ...environment });
  await expect.poll(() => cli.printed.stdout, { timeout: 50_000 }).toContain("\n");
  return { cli, ready: JSON.parse(cli.printed.stdout) as Ready };
}

describe("npm start", () => {
  it("starts a gateway with a Stream, stops both on Ctrl-C and keeps the data and the key", async () => {
    const streamPort = await freePortText();
    const first = await start({ STREAM_PORT: streamPort });
    const { url, key, tenant, operatorToken } = first.ready;
    expect(tenant).toBe("demo");
    expect((await create(url, tenant, bearer(key))).status).toBe(201);
    expect((await fetch(`${url}/admin/v1/tenants`, { headers: bearer(operatorToken) })).status).toBe(200);
    expect(first.cli.printed.stdout.split("\n")).toHaveLength(2);

    first.cli.child.kill("SIGINT");
    // Shells expect 128 plus the signal's number.
    expect(await first.cli.exited).toBe(130);
    await expect(fetch(url)).rejects.toThrow("fetch failed");
    await expect(fetch(`http://127.0.0.1:${streamPort}`)).rejects.toThrow("fetch failed");

    const second = await start({ STREAM_PORT: streamPort });
    expect(second.ready).toMatchObject({ key, operatorToken });
    const videos = (await (await fetch(`http://127.0.0.1:${streamPort}/_control/videos`)).json()) as unknown[];
    expect(videos).toHaveLength(1);
  });

  it("names the port that is in use and the variable that changes it", async () => {
    const blocker = createServer();
    await new Promise<void>((resolve) => blocker.listen(0, "127.0.0.1", resolve));
    const port = String((blocker.address() as AddressInfo).port);
    for (const [name, other] of [
      ["PORT", "STREAM_PORT"],
      ["STREAM_PORT", "PORT"],
    ] as const) {
      const cli = run("start.ts", [], { [name]: port, [other]: await freePortText() });
      expect(await cli.exited).toBe(1);
      expect(cli.printed.stderr).toContain(`Port ${port} is in use. Choose another with ${name}=`);
    }
    blocker.close();
  });

  it("refuses the same port for both", async () => {
    const port = await freePortText();
    const cli = run("start.ts", [], { PORT: port, STREAM_PORT: port });
    expect(await cli.exited).toBe(1);
    expect(cli.printed.stderr).toContain("PORT and STREAM_PORT must be different ports.");
  });

  it("ignores Stream settings without STREAM_API_BASE, and prints which", async () => {
    const { cli, ready } = await start({ STREAM_PORT: await freePortText(), STREAM_API_TOKEN: "of-another-stream" });
    expect(cli.printed.stderr).toContain("Ignored, since STREAM_API_BASE is not set: STREAM_API_TOKEN.");
    expect((await create(ready.url, ready.tenant, bearer(ready.key))).status).toBe(201);
  });

  describe("with STREAM_API_BASE", () => {
    let stream: LocalStream;
    beforeAll(async () => {
      stream = await startLocalStream();
    });
    afterAll(() => stream.close());

    it.each(["token", "global key"])("uses that Stream, by %s", async (kind) => {
      const credential: Record<string, string> =
        kind === "token"
          ? { STREAM_API_TOKEN: stream.token }
          : { STREAM_API_EMAIL: stream.email, STREAM_API_KEY: stream.globalKey };
      const { ready } = await start({
        STREAM_API_BASE: stream.apiBase,
        STREAM_UPLOAD_HOSTS: stream.uploadHost,
        STREAM_ACCOUNT_ID: stream.accountId,
        OPERATOR_TOKEN: "an-operator-token-given",
        ...credential,
      });
      expect(ready.operatorToken).toBe("an-operator-token-given");
      expect((await create(ready.url, ready.tenant, bearer(ready.key))).status).toBe(201);
      expect(stream.videos()).toHaveLength(kind === "token" ? 1 : 2);
    });
  });

  it("says which setting is wrong, and which request failed", async () => {
    const cli = run("start.ts", [], {
      PORT: await freePortText(),
      STREAM_API_BASE: "https://stream.prod.svc/client/v4",
      STREAM_ACCOUNT_ID: "an-account",
      STREAM_API_TOKEN: "a-token-of-this-account",
    });
    expect(await cli.exited).toBe(1);
    expect(cli.printed.stderr).toContain("STREAM_API_BASE and STREAM_UPLOAD_HOSTS must be https and public names.");
    expect(cli.printed.stderr).toContain("answered 500 to GET /admin/v1/tenants/demo: ");
  });

  it("stores its secrets in a file that only its owner can read", async () => {
    await start({ STREAM_PORT: await freePortText() });
    const file = join(state, "settings.json");
    expect(JSON.parse(await readFile(file, "utf8"))).toHaveProperty("OPERATOR_TOKEN");
    expect((await stat(file)).mode & 0o077).toBe(0);
  });
});

describe("npm run upload", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await startBrowser();
  });
  afterAll(() => browser.stop());

  /** Opens a link in a browser and plays the video to its end. @returns the position there, or what went wrong */
  async function playedSeconds(link: string): Promise<unknown> {
    const page = await browser.open();
    await page.visit(link);
    return page.evaluate(`new Promise((resolve) => {
      const video = document.querySelector("video");
      video.muted = true;
      video.onerror = () => resolve(video.error.message);
      video.onended = () => resolve(video.currentTime);
      video.play().catch(() => resolve(String(video.error?.message)));
    })`);
  }

  const lastLine = ({ printed }: RunningCli) => printed.stdout.trimEnd().split("\n").at(-1) ?? "";
  const linkOf = (cli: RunningCli) => LINK.exec(lastLine(cli))?.[1] ?? lastLine(cli);

  /** Creates a tenant with a key of these scopes. @returns the key */
  async function makeTenant({ url, operatorToken }: Ready, id: string, document: object, scopes: readonly string[]) {
    const headers = { ...bearer(operatorToken), "Content-Type": "application/json" };
    const send = (method: string, path: string, body: object) =>
      fetch(`${url}/admin/v1/tenants/${id}${path}`, { method, headers, body: JSON.stringify(body) });
    await send("PUT", "", document);
    return ((await (await send("POST", "/keys", { name: "test", scopes })).json()) as { key: string }).key;
  }

  it("uploads a video, waits until it is ready, and ends with a link that plays it", async () => {
    const { ready } = await start({ STREAM_PORT: await freePortText() });
    const { url, tenant, key, operatorToken } = ready;
    const cli = run("upload.ts", [smallVideo, "--url", url, "--tenant", tenant, "--key", key]);
    expect(await cli.exited).toBe(0);
    const [, uid = ""] = /Video (\w+), upload/.exec(cli.printed.stdout) ?? [];

    // The demo's policy forces signed URLs, and a key that `npm start` made signs them.
    const link = linkOf(cli);
    expect(await playedSeconds(link)).toBe(2);
    const token = new URL(link).pathname.split("/")[1] ?? "";
    expect(decodeJwt(token)).toMatchObject({ sub: uid });
    const keys = await fetch(`${url}/admin/v1/upstreams/default/signing-keys`, { headers: bearer(operatorToken) });
    // One, however often it was started.
    expect(await keys.json()).toMatchObject({ signingKeys: [{ id: decodeProtectedHeader(token).kid, signs: true }] });
    expect((await fetch(link.replace(token, uid))).status).toBe(401);
  });

  it("ends with a link without a token, or says why there is none, for a key that may not sign", async () => {
    const { ready } = await start({ STREAM_PORT: await freePortText() });
    const signed = { policy: { metadata: { requiresignedurls: { force: true } } } };
    const upload = async (tenant: string, document: object) => {
      const key = await makeTenant(ready, tenant, document, ["uploads:create", "uploads:read"]);
      const cli = run("upload.ts", [smallVideo, "--url", ready.url, "--tenant", tenant, "--key", key]);
      expect(await cli.exited).toBe(0);
      return cli;
    };
    expect(await playedSeconds(linkOf(await upload("open", {})))).toBe(2);
    expect(lastLine(await upload("signed", signed))).toMatch(
      /^It is ready\. It plays with a token only\. .*playback:sign/,
    );
  });

  it("prints the gateway's refusal, and resumes an upload after it was killed", async () => {
    const streamPort = await freePortText();
    const { ready } = await start({ STREAM_PORT: streamPort });
    const args = [video, "--url", ready.url, "--tenant", ready.tenant, "--key", ready.key];
    const control = `http://127.0.0.1:${streamPort}/_control`;
    await fetch(`${control}/requests`, { method: "DELETE" });

    const refused = run("upload.ts", [...args, "--meta", "maxdurationseconds=36000"]);
    expect(await refused.exited).toBe(1);
    expect(refused.printed.stderr).toMatch(/Refused \(403 policy_violation\): maxdurationseconds must be at most 3600/);

    const killed = run("upload.ts", args);
    const patches = async () => {
      const requests = (await (await fetch(`${control}/requests`)).json()) as { method: string }[];
      return requests.filter(({ method }) => method === "PATCH").length;
    };
    await expect.poll(patches, { timeout: 20_000, interval: 5 }).toBeGreaterThan(1);
    killed.child.kill("SIGKILL");
    await killed.exited;

    const resumed = run("upload.ts", args);
    expect(await resumed.exited).toBe(0);
    expect(resumed.printed.stdout).toContain("Resuming the upload");
    expect(resumed.printed.stdout).toMatch(/\nUploaded video\.mp4\..*\nWatch it: /);
    const states = async () => {
      const videos = (await (await fetch(`${control}/videos`)).json()) as {
        status: { state: string };
        meta: object;
        size: number;
      }[];
      const found = videos.filter(({ size }) => size === 120_000_000);
      return found.map(({ status, size, meta }) => ({ state: status.state, size, meta }));
    };
    await expect
      .poll(states, { timeout: 20_000 })
      .toMatchObject([{ state: "ready", size: 120_000_000, meta: { name: "video.mp4" } }]);
  });

  it.each<[string[], RegExp]>([
    [[], /Give one file/],
    [["a", "b", "--key", "k"], /Give one file/],
    [["nothing-here.mp4", "--key", "k"], /Cannot read .*nothing-here\.mp4/],
    [["a.mp4"], /Give a key/],
    [["--nonsense"], /--nonsense/],
  ])("prints what is wrong with the arguments %j", async (args, message) => {
    const cli = run("upload.ts", args);
    expect(await cli.exited).toBe(1);
    expect(cli.printed.stderr).toMatch(message);
  });
});
