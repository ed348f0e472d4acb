import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { runInNewContext } from "node:vm";
import Cloudflare from "cloudflare";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ROOT } from "../../src/cli/paths.ts";
import { DEMO_TENANT, seedDemo } from "../../src/cli/seed-demo.ts";
import { type TestGateway, startTestGateway } from "../support/gateway.ts";
import { bearer, create, problemOf } from "../support/http.ts";
import { OPERATOR_TOKEN } from "../support/operator-api.ts";

/** An empty file is legal in tus, and the example of Cloudflare's SDK creates one: a tenant that wants none says so. */

let gateway: TestGateway;
let key: string;
/** The parameters of `client.stream.create` in the SDK's documentation, for the demo tenant. */
let example: Cloudflare.Stream.StreamCreateParams;

beforeAll(async () => {
  gateway = await startTestGateway();
  key = await seedDemo(gateway.url, OPERATOR_TOKEN);
  const documentation = await readFile(join(ROOT, "node_modules/cloudflare/resources/stream/stream.d.ts"), "utf8");
  const [, parameters = ""] = /client\.stream\.create\((\{[^}]*\})\)/.exec(documentation.replaceAll("* ", "")) ?? [];
  example = runInNewContext(`(${parameters})`) as Cloudflare.Stream.StreamCreateParams;
});
afterAll(() => gateway.stop());
beforeEach(() => gateway.stream.reset());

describe("an empty file", () => {
  it.each([
    ["absent", {}],
    ["true", { direct_user: true }],
    ["false", { direct_user: false }],
  ])("is created by the example of Cloudflare's SDK on the demo tenant, direct_user %s", async (_, directUser) => {
    expect(example).toMatchObject({ "Tus-Resumable": "1.0.0", "Upload-Length": 0 });
    const client = new Cloudflare({ apiToken: key, baseURL: `${gateway.url}/client/v4`, maxRetries: 0 });
    const answer = await client.stream.create({ ...example, account_id: DEMO_TENANT, ...directUser }).asResponse();
    expect(answer.status).toBe(201);
    expect(answer.headers.get("location")).toContain(gateway.stream.uploadHost);
    expect(gateway.stream.videos()).toHaveLength(1);
  });

  it.each([{}, { upload: {} }, { upload: { maxBytes: 10, fileTypes: ["video/*"] } }])(
    "is created under a policy without minBytes: %j",
    async (policy) => {
      const token = await gateway.tenant("acme", { policy });
      const headers = { ...bearer(token), "Upload-Length": "0", "Upload-Metadata": `filetype ${btoa("video/mp4")}` };
      expect((await create(gateway.url, "acme", headers)).status).toBe(201);
    },
  );

  it("is refused under minBytes: 1, the policy of docs/policy.md", async () => {
    const page = await readFile(join(ROOT, "docs/policy.md"), "utf8");
    const [, policy = ""] = /```json policy\n(.*?)```/s.exec(page) ?? [];
    const token = await gateway.tenant("acme", { policy: JSON.parse(policy) as object });
    const headers = { ...bearer(token), "Upload-Metadata": `filetype ${btoa("video/mp4")}` };
    expect((await create(gateway.url, "acme", { ...headers, "Upload-Length": "1" })).status).toBe(201);
    const refused = await create(gateway.url, "acme", { ...headers, "Upload-Length": "0" });
    expect(await problemOf(refused)).toMatchObject({ status: 403, code: "upload_too_small" });
  });
});
