import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ROOT } from "../../src/cli/paths.ts";
import { DEMO_POLICY } from "../../src/cli/seed-demo.ts";
import { PAGES } from "../support/docs-pages.ts";
import { videoFile } from "../support/files.ts";
import { type TestGateway, startTestGateway } from "../support/gateway.ts";
import { bearer } from "../support/http.ts";
import { OPERATOR_TOKEN } from "../support/operator-api.ts";
import { type Fence, fencesOf } from "../support/markdown.ts";
import { withProviderHosts } from "../support/provider-hosts.ts";
import { DOCUMENTS, signToken } from "../support/provider-tokens.ts";

const fences = PAGES.flatMap(fencesOf);
const curlExamples = fences.filter(({ language, text }) => language === "sh" && /\bcurl\b/.test(text));
/** Those of the identity providers have a test of their own. */
const jsonExamples = fences.filter(
  ({ language, label }) => language.startsWith("json") && !/^(?:provider|token) /.test(label),
);

/** The demo tenant's policy, and all that a tenant may restrict: an example must work there, too. */
const FULL_POLICY = { ...DEMO_POLICY, upload: { ...DEMO_POLICY.upload, minBytes: 1, fileTypes: ["video/*"] } };

/** A response that is an error fails the script, and is shown. */
const CURL = 'curl() { command curl --silent --show-error --fail-with-body "$@"; }';

/** Where the reader is, with a video. */
const folder = dirname(videoFile({ name: "cats.mp4", seconds: 2, bytes: 1_000_000 }));
/** As long as the sample video of `npm start`. */
const lesson = videoFile({ name: "lesson.mp4", seconds: 30 });
let gateway: TestGateway;
let key: string;
interface Outcome {
  readonly code: number;
  readonly output: string;
}

beforeAll(async () => {
  gateway = await startTestGateway({}, {}, withProviderHosts(inject("gatewayTemplate")));
  key = await gateway.tenant("demo", { policy: FULL_POLICY });
  await gateway.tenant("acme");
  await gateway.operator("PUT", "/tenants/demo/endpoints/main", { url: "https://acme.example/hooks" });
});
afterAll(() => gateway.stop());

/**
 * Runs each script in a shell of its own, started by one, since starting processes from here can take seconds.
 *
 * @param variables what the reader has set: what `npm start` prints, and what earlier responses contained
 */
async function runAll(scripts: readonly string[], variables: Record<string, string>): Promise<Outcome[]> {
  const all = scripts.map((script, index) => `( set -euo pipefail; ${script}\n) > ${index}.out 2>&1; echo $?`);
  const { stdout } = await promisify(execFile)("bash", ["-c", [CURL, ...all].join("\n")], {
    cwd: folder,
    env: { PATH: process.env["PATH"], ...variables },
  });
  return Promise.all(
    stdout
      .trim()
      .split("\n")
      .map(async (code, index) => ({
        code: Number(code),
        output: await readFile(join(folder, `${index}.out`), "utf8"),
      })),
  );
}

async function post(path: string, body: unknown): Promise<Record<string, string>> {
  const response = await fetch(`${gateway.url}/v1/demo${path}`, {
    method: "POST",
    headers: { ...bearer(key), "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
  return JSON.parse(text) as Record<string, string>;
}

const createLink = () => post("/direct-uploads", { meta: { filetype: "video/mp4" } });

/** Uploads the lesson, and waits until it can be clipped. @returns its id */
async function readyLesson(): Promise<string> {
  const { id = "", uploadURL = "" } = await createLink();
  const body = new FormData();
  body.append("file", new Blob([await readFile(lesson)]), "lesson.mp4");
  expect((await fetch(uploadURL, { method: "POST", body })).status).toBe(200);
  const read = async () => (await fetch(`${gateway.url}/v1/demo/uploads/${id}`, { headers: bearer(key) })).json();
  await expect.poll(read, { timeout: 10_000 }).toMatchObject({ state: "ready" });
  return id;
}

async function firstEvent(): Promise<string> {
  const { events } = (await gateway.operator("GET", "/tenants/demo/events")) as unknown as { events: { id: string }[] };
  return events[0]?.id ?? "";
}

const nameOf = ({ page, text }: Fence) => `${page}: ${text.split("\n")[0]}`;

describe("curl examples", () => {
  let outcomes: readonly Outcome[];

  beforeAll(async () => {
    const link = await createLink();
    // Examples cancel theirs.
    const uploads = await Promise.all(curlExamples.map(createLink));
    const { id: oldKeyId } = await gateway.operator("POST", "/upstreams/default/signing-keys");
    await writeFile(join(folder, "issuer.json"), JSON.stringify(DOCUMENTS["auth0"]));
    outcomes = await runAll(
      curlExamples.map(({ text }, index) => `export UPLOAD_ID=${uploads[index]?.["id"]}\n${text}`),
      {
        URL: gateway.url,
        TENANT: "demo",
        KEY: key,
        OPERATOR_TOKEN,
        UPLOAD_URL: link["uploadURL"] ?? "",
        OLD_KEY_ID: String(oldKeyId),
        EVENT_ID: await firstEvent(),
        TOKEN: await signToken("auth0"),
      },
    );
  });

  it("are found", () => {
    expect(curlExamples.length).toBeGreaterThanOrEqual(12);
  });

  it.each(curlExamples.map((example, index) => [nameOf(example), index] as const))("%s succeeds", (_, index) => {
    expect(outcomes[index]).toEqual({ code: 0, output: expect.any(String) as string });
  });
});

/** What a JSON example is, by the label behind `json`: pasted into the API, or compared with a response. */
const USES: Readonly<Record<string, (document: unknown) => Promise<unknown>>> = {
  policy: (policy) => gateway.operator("PUT", "/tenants/example", { policy, limits: {} }),
  limits: (limits) => gateway.operator("PUT", "/tenants/example", { limits, policy: {} }),
  tenant: (document) => gateway.operator("PUT", "/tenants/example", document),
  plan: (document) => gateway.operator("PUT", "/plans/example", document),
  key: (document) => gateway.operator("POST", "/tenants/acme/keys", document),
  // Under the id that its namespace names.
  issuer: (document) => gateway.operator("PUT", "/issuers/auth0", document),
  endpoint: (document) => gateway.operator("PUT", "/tenants/acme/endpoints/example", document),
  upstream: (document) => gateway.operator("PUT", "/upstreams/example?check=false", document),
  async "upstream-check"(document) {
    const [accountId, apiBase] = [gateway.stream.accountId, gateway.stream.apiBase];
    await gateway.operator("PUT", "/upstreams/wrong?check=false", { accountId, apiBase, apiToken: "wrong" });
    const checkedAt = expect.any(String) as string;
    expect(await gateway.operator("POST", "/upstreams/wrong/check")).toEqual({ ...(document as object), checkedAt });
  },
  async "issuer-check"(document) {
    await gateway.operator("PUT", "/issuers/auth0", DOCUMENTS["auth0"]);
    const token = await signToken("auth0", { claims: { iss: "https://acme.eu.auth0.com" } });
    const { keys, ...example } = document as { keys: object };
    expect(await gateway.operator("POST", "/issuers/auth0/check", { token })).toEqual({
      ...example,
      checkedAt: expect.any(String) as string,
      keys: { ...keys, ageSeconds: expect.any(Number) as number },
    });
  },
  grant: (document) => post("/grants", document),
  copy: async (document) => expect(await post("/copies", document)).toMatchObject({ name: "Lesson 3", source: "copy" }),
  clip: async (document) =>
    expect(await post(`/uploads/${await readyLesson()}/clips`, document)).toMatchObject({
      source: "clip",
      seconds: 10,
    }),
  async edit(document) {
    const { id = "" } = await createLink();
    const response = await fetch(`${gateway.url}/v1/demo/uploads/${id}`, {
      method: "PATCH",
      headers: { ...bearer(key), "Content-Type": "application/merge-patch+json" },
      body: JSON.stringify(document),
    });
    expect([response.status, await response.json()]).toEqual([200, expect.objectContaining({ name: "Lesson 3" })]);
  },
  "policy-check": async (document) => expect(await post("/policy/check", document)).toMatchObject({ allowed: true }),
  async warning(document) {
    const limits = { quota: { day: { uploads: 9 }, month: { uploads: 5 } } };
    const answer = await gateway.operator("PUT", "/tenants/example", { limits, policy: {} });
    expect(answer["warnings"]).toEqual([document]);
  },
  async problem(document) {
    const response = await fetch(`${gateway.url}/v1/demo/uploads`, {
      method: "POST",
      headers: {
        ...bearer(key),
        "Tus-Resumable": "1.0.0",
        "Upload-Length": "1",
        "Upload-Metadata": `filetype ${btoa("video/mp4")},maxdurationseconds ${btoa("7200")}`,
      },
    });
    const requestId = expect.any(String) as string;
    expect(await response.json()).toEqual({ ...(document as object), requestId });
  },
  async event(document) {
    const schema = JSON.parse(await readFile(join(ROOT, "src/http/routes/upload-event.schema.json"), "utf8")) as object;
    const validate = new Ajv2020({ strict: false }).compile(schema);
    validate(document);
    expect(validate.errors).toBeNull();
  },
};

describe("JSON examples", () => {
  it("are found", () => {
    expect(jsonExamples.length).toBeGreaterThanOrEqual(10);
  });

  it.each(jsonExamples.map((example) => [`${example.page}: ${example.label}`, example] as const))(
    "%s is accepted",
    async (_, { language, label, text }) => {
      expect(language).toBe("json");
      expect(Object.keys(USES)).toContain(label);
      await USES[label]?.(JSON.parse(text));
    },
  );
});
