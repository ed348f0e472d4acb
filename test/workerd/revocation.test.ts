import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { createRegistry } from "../../src/adapters/registry/registry.ts";
import { createRegistryStore } from "../../src/adapters/registry/registry-store.ts";
import { RequestEvent } from "../../src/adapters/request-event.ts";
import { createSealing } from "../../src/adapters/sealing.ts";
import { parseConfig } from "../../src/config.ts";
import { createDependencies } from "../../src/dependencies.ts";
import { createUpload } from "../../src/usecases/create-upload.ts";
import { seedTenant } from "./support.ts";

/** Nothing is at this address: what gets as far as Stream is refused with `stream_unreachable`, and was admitted. */
const config = parseConfig({
  ...env,
  STREAM_API_BASE: "http://127.0.0.1:9",
  STREAM_ACCOUNT_ID: "abc",
  STREAM_API_TOKEN: "token",
  REGISTRY_CACHE_SECONDS: "300",
});
const sealing = createSealing(config.masterKeys);

/** An isolate of its own, that believes what it has looked up for five minutes. */
function isolate() {
  const dependencies = createDependencies(env, config);
  const registry = createRegistry(env.DB, config, sealing, Date.now);
  return (key: string) => {
    const headers: Record<string, string> = {
      authorization: `Bearer ${key}`,
      "tus-resumable": "1.0.0",
      "upload-length": "5",
    };
    const request = { tenant: "acme", header: (name: string) => headers[name], seeThrough: () => undefined };
    return createUpload({ ...dependencies, registry }, request, new RequestEvent("request", "POST"));
  };
}

/** The operator, by way of another isolate. */
function operator() {
  return createRegistryStore(env.DB, sealing, Date.now, {
    changed: () => {},
    told: (tenant, version) => env.LEDGER.getByName(tenant).learn(version, false),
  });
}

const codeOf = async (outcome: ReturnType<ReturnType<typeof isolate>>) => {
  const created = await outcome;
  return created.ok ? "created" : created.problem.code;
};
const ADMITTED = "stream_unreachable";

it("no creation under a revoked key is accepted once the operator's call has been answered, in any isolate", async () => {
  const key = await seedTenant("acme");
  const isolates = Array.from({ length: 5 }, isolate);
  for (const create of isolates) expect(await codeOf(create(key))).toBe(ADMITTED);

  await operator().revokeApiKey("acme", key.split("_")[1] ?? "");
  for (const create of isolates) expect(await codeOf(create(key))).toBe("credential_revoked");
});

it("nor under a suspension, nor under an older policy", async () => {
  const key = await seedTenant("acme");
  const create = isolate();
  expect(await codeOf(create(key))).toBe(ADMITTED);

  const tenant = { id: "acme", name: null, limits: "{}", upstream: "default", abandoned: "delete" as const };
  await operator().putTenant({ ...tenant, policy: '{"upload":{"maxBytes":4}}', suspended: 0 });
  expect(await codeOf(create(key))).toBe("upload_too_large");
  const other = isolate();
  await operator().putTenant({ ...tenant, policy: "{}", suspended: 0 });
  expect(await codeOf(other(key))).toBe(ADMITTED);
  await operator().putTenant({ ...tenant, policy: "{}", suspended: 1 });
  expect(await codeOf(other(key))).toBe("tenant_suspended");
});

it("nor for a tenant that is no more", async () => {
  const key = await seedTenant("acme");
  const create = isolate();
  expect(await codeOf(create(key))).toBe(ADMITTED);
  await operator().deleteTenant("acme");
  expect(await codeOf(create(key))).toBe("credential_invalid");
});

it("under load, what is decided in many isolates while the operator revokes is refused from the answer on", async () => {
  const key = await seedTenant("acme");
  const isolates = Array.from({ length: 8 }, isolate);
  for (const create of isolates) await create(key);
  let answered = false;
  const late: string[] = [];
  const load = Promise.all(
    isolates.map(async (create) => {
      for (let round = 0; round < 20; round++) {
        const after = answered;
        const code = await codeOf(create(key));
        if (after) late.push(code);
      }
    }),
  );
  await operator().revokeApiKey("acme", key.split("_")[1] ?? "");
  answered = true;
  await load;
  expect(late.length).toBeGreaterThan(0);
  expect(new Set(late)).toEqual(new Set(["credential_revoked"]));
});
