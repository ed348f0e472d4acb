import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { ROOT } from "../../src/cli/paths.ts";
import { startLocalStream } from "../../src/local-stream/server.ts";
import { type LocalStream } from "../../src/local-stream/local-stream.ts";
import { bearer, create } from "../support/http.ts";
import { makeVideo } from "../../src/local-stream/make-video.ts";

/** `npm start` and `npm run upload`, as processes. */

interface Running {
  readonly child: ChildProcess;
  readonly output: { text: string };
  readonly errors: { text: string };
  readonly exited: Promise<number | null>;
}

let folder: string;
let video: string;
const running: Running[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-start-"));
  video = join(folder, "video.mp4");
  await makeVideo({ path: video, seconds: 2, bytes: 120_000_000 });
});
afterEach(async () => {
  for (const { child, exited } of running.splice(0)) {
    child.kill("SIGINT");
    await exited;
  }
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function run(script: string, args: readonly string[], environment: Record<string, string> = {}): Running {
  const child = spawn(process.execPath, [join(ROOT, "src", "cli", script), ...args], {
    env: { ...process.env, SLUICE_STATE: join(folder, "state"), ...environment },
  });
  const collect = (stream: NodeJS.ReadableStream | null) => {
    const collected = { text: "" };
    stream?.setEncoding("utf8").on("data", (text: string) => (collected.text += text));
    return collected;
  };
  const exited = new Promise<number | null>((resolve) => child.on("exit", resolve));
  const cli = { child, output: collect(child.stdout), errors: collect(child.stderr), exited };
  running.push(cli);
  return cli;
}

async function freePort(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return String(typeof address === "object" ? address?.port : 0);
}

interface Ready {
  readonly url: string;
  readonly operatorToken: string;
  readonly tenant: string;
  readonly key: string;
}

async function start(environment: Record<string, string>): Promise<{ process: Running; ready: Ready }> {
  const cli = run("start.ts", ["--json"], { PORT: await freePort(), ...environment });
  await expect.poll(() => cli.output.text, { timeout: 50_000 }).toContain("\n");
  return { process: cli, ready: JSON.parse(cli.output.text) as Ready };
}

describe("npm start", () => {
  it("is a gateway with a Stream, keeps its data and its key, and ends with all that it started", async () => {
    const streamPort = await freePort();
    const first = await start({ STREAM_PORT: streamPort });
    const { url, key, tenant, operatorToken } = first.ready;
    expect(tenant).toBe("demo");
    expect((await create(url, tenant, bearer(key))).status).toBe(201);
    expect((await fetch(`${url}/admin/v1/tenants`, { headers: bearer(operatorToken) })).status).toBe(200);
    expect(first.process.output.text.split("\n")).toHaveLength(2);

    first.process.child.kill("SIGINT");
    // What a shell expects of a process that was interrupted: 128 and the signal's number.
    expect(await first.process.exited).toBe(130);
    await expect(fetch(url)).rejects.toThrow("fetch failed");
    await expect(fetch(`http://127.0.0.1:${streamPort}`)).rejects.toThrow("fetch failed");

    const second = await start({ STREAM_PORT: streamPort });
    expect(second.ready).toMatchObject({ key, operatorToken });
    const videos = (await (await fetch(`http://127.0.0.1:${streamPort}/_control/videos`)).json()) as unknown[];
    expect(videos).toHaveLength(1);
  });

  it("says which port is taken, and how to choose another", async () => {
    const blocker = createServer();
    await new Promise<void>((resolve) => blocker.listen(0, "127.0.0.1", resolve));
    const address = blocker.address();
    const port = String(typeof address === "object" ? address?.port : 0);
    for (const [name, other] of [
      ["PORT", "STREAM_PORT"],
      ["STREAM_PORT", "PORT"],
    ] as const) {
      const cli = run("start.ts", [], { [name]: port, [other]: await freePort() });
      expect(await cli.exited).toBe(1);
      expect(cli.errors.text).toContain(`Port ${port} is in use. Choose another with ${name}=`);
    }
    blocker.close();
  });

  it("says so when both ports are the same", async () => {
    const port = await freePort();
    const cli = run("start.ts", [], { PORT: port, STREAM_PORT: port });
    expect(await cli.exited).toBe(1);
    expect(cli.errors.text).toContain("PORT and STREAM_PORT must be different ports.");
  });

  it("leaves alone, and says so, what is set for another Stream without saying which", async () => {
    const { process, ready } = await start({ STREAM_PORT: await freePort(), STREAM_API_TOKEN: "of-another-stream" });
    expect(process.errors.text).toContain("Ignored, since STREAM_API_BASE is not set: STREAM_API_TOKEN.");
    expect((await create(ready.url, ready.tenant, bearer(ready.key))).status).toBe(201);
  });

  describe("with a Stream that is there already", () => {
    let stream: LocalStream;
    beforeAll(async () => {
      stream = await startLocalStream();
    });
    afterAll(() => stream.close());

    it.each(["token", "global key"])("uses that one, by %s", async (kind) => {
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
});

describe("npm run upload", () => {
  it("ends in an upload that is ready, since the local Stream tells the gateway", async () => {
    const small = join(folder, "small.mp4");
    await makeVideo({ path: small, seconds: 2 });
    const { ready } = await start({ STREAM_PORT: await freePort() });
    const cli = run("upload.ts", [small, "--url", ready.url, "--tenant", ready.tenant, "--key", ready.key]);
    expect(await cli.exited).toBe(0);
    const [, id = ""] = /upload (\S+)/.exec(cli.output.text) ?? [];
    const state = async () => {
      const answer = await fetch(`${ready.url}/v1/${ready.tenant}/uploads/${id}`, { headers: bearer(ready.key) });
      return JSON.stringify(await answer.json());
    };
    await expect.poll(state, { timeout: 20_000 }).toContain('"state":"ready"');
  });

  it("uploads, goes on where it was killed, and shows refusals in the gateway's words", async () => {
    const streamPort = await freePort();
    const { ready } = await start({ STREAM_PORT: streamPort });
    const args = [video, "--url", ready.url, "--tenant", ready.tenant, "--key", ready.key];
    const control = `http://127.0.0.1:${streamPort}/_control`;
    await fetch(`${control}/reset`, { method: "POST" });

    const refused = run("upload.ts", [...args, "--meta", "maxdurationseconds=36000"]);
    expect(await refused.exited).toBe(1);
    expect(refused.errors.text).toMatch(/Refused \(403 policy_violation\): maxdurationseconds must be at most 3600/);

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
    expect(resumed.output.text).toContain("Resuming the upload");
    const states = async () => {
      const videos = (await (await fetch(`${control}/videos`)).json()) as {
        status: { state: string };
        meta: object;
        size: number;
      }[];
      return videos.map(({ status, size, meta }) => ({ state: status.state, size, meta }));
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
  ])("with %j says what is missing", async (args, message) => {
    const cli = run("upload.ts", args);
    expect(await cli.exited).toBe(1);
    expect(cli.errors.text).toMatch(message);
  });
});

it("the state of a local gateway holds secrets, and only its owner may read them", async () => {
  const { stat } = await import("node:fs/promises");
  await start({ STREAM_PORT: await freePort() });
  const file = join(folder, "state", "settings.json");
  expect(JSON.parse(await readFile(file, "utf8"))).toHaveProperty("OPERATOR_TOKEN");
  expect((await stat(file)).mode & 0o077).toBe(0);
});
