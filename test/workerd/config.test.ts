import { describe, expect, it } from "vitest";
import { ConfigError, parseConfig } from "../../src/config.ts";

const ring = (id: string) => `${id}:${new Uint8Array(32).fill(1).toBase64()}`;
const valid = { OPERATOR_TOKEN: "a-token-of-the-operator", GRANT_KEYS: ring("g1"), MASTER_KEYS: ring("m1") };
const upstream = { STREAM_ACCOUNT_ID: "abc", STREAM_API_TOKEN: "token" };

describe("parseConfig", () => {
  it("requires three secrets and has defaults for the rest", () => {
    expect(parseConfig(valid)).toEqual({
      operatorToken: valid.OPERATOR_TOKEN,
      grantKeys: [{ id: "g1", bytes: new Uint8Array(32).fill(1) }],
      masterKeys: [{ id: "m1", bytes: new Uint8Array(32).fill(1) }],
      registryCacheSeconds: 10,
      streamDeadlineMs: 10_000,
      allowLoopback: false,
    });
  });

  it("builds the default upstream from either kind of credential", () => {
    expect(parseConfig({ ...valid, ...upstream, STREAM_API_BASE: "https://api.example/v4/" }).defaultUpstream).toEqual({
      id: "default",
      accountId: "abc",
      apiBase: "https://api.example/v4",
      uploadHosts: ["upload.videodelivery.net", "upload.cloudflarestream.com"],
      callsPerWindow: 1_140,
      maxUploadBytes: 30_000_000_000,
      maxVideoSeconds: 36_000,
      credential: { kind: "token", token: "token" },
      webhookSecrets: [],
    });
    const byKey = { ...valid, STREAM_ACCOUNT_ID: "abc", STREAM_API_EMAIL: "a@b.example", STREAM_API_KEY: "k" };
    expect(parseConfig(byKey).defaultUpstream?.credential).toEqual({ kind: "key", email: "a@b.example", key: "k" });
  });

  it("accepts a deadline for Stream up to the platform's limit", () => {
    expect(parseConfig({ ...valid, STREAM_DEADLINE_MS: "20000" }).streamDeadlineMs).toBe(20_000);
  });

  it("accepts what Cloudflare has raised for the account", () => {
    const raised = { STREAM_MAX_UPLOAD_BYTES: "100000000000", STREAM_MAX_VIDEO_SECONDS: "86400" };
    expect(parseConfig({ ...valid, ...upstream, ...raised }).defaultUpstream).toMatchObject({
      maxUploadBytes: 100_000_000_000,
      maxVideoSeconds: 86_400,
    });
  });

  it("accepts several webhook secrets", () => {
    const [one, other] = ["1".repeat(32), "2".repeat(32)];
    const settings = { ...valid, ...upstream, STREAM_WEBHOOK_SECRETS: ` ${one}, ${other},` };
    expect(parseConfig(settings).defaultUpstream?.webhookSecrets).toEqual([one, other]);
  });

  it("keeps the order of a key ring, whose first key signs", () => {
    const { grantKeys } = parseConfig({ ...valid, GRANT_KEYS: `${ring("new")}, ${ring("old")}` });
    expect(grantKeys.map(({ id }) => id)).toEqual(["new", "old"]);
  });

  it.each<[string, object, string]>([
    ["no operator token", { OPERATOR_TOKEN: undefined }, "OPERATOR_TOKEN is not set"],
    ["an operator token with spaces", { OPERATOR_TOKEN: "correct horse battery" }, "OPERATOR_TOKEN must be printable"],
    ["a credential with a line break", { STREAM_API_TOKEN: "to\nken" }, "STREAM_API_TOKEN must be printable"],
    ["a short operator token", { OPERATOR_TOKEN: "changeme" }, "OPERATOR_TOKEN must have 16 characters"],
    ["no grant keys", { GRANT_KEYS: undefined }, "GRANT_KEYS is not set"],
    ["an empty ring", { GRANT_KEYS: "" }, "GRANT_KEYS must be"],
    ["a key of 31 bytes", { GRANT_KEYS: `g1:${new Uint8Array(31).toBase64()}` }, "GRANT_KEYS must be"],
    ["a key named twice", { MASTER_KEYS: `${ring("a")},${ring("a")}` }, "MASTER_KEYS must not name a key twice"],
    ["an invalid base URL", { STREAM_API_BASE: "cloudflare" }, "STREAM_API_BASE"],
    [
      "a base without TLS",
      { ...upstream, STREAM_API_BASE: "http://api.example" },
      "STREAM_API_BASE and STREAM_UPLOAD_HOSTS must be https",
    ],
    [
      "loopback outside development",
      { ...upstream, STREAM_API_BASE: "http://127.0.0.1:1" },
      "STREAM_API_BASE and STREAM_UPLOAD_HOSTS must be https",
    ],
    [
      "a private base",
      { ...upstream, STREAM_API_BASE: "https://10.0.0.1/v4" },
      "STREAM_API_BASE and STREAM_UPLOAD_HOSTS must be https",
    ],
    ["a private upload host", { ...upstream, STREAM_UPLOAD_HOSTS: "up.example,up.internal" }, "STREAM_UPLOAD_HOSTS"],
    ["loopback as upload host", { ...upstream, STREAM_UPLOAD_HOSTS: "127.0.0.1:8787" }, "STREAM_UPLOAD_HOSTS"],
    ["no number as maximum", { STREAM_MAX_UPLOAD_BYTES: "30 GB" }, "STREAM_MAX_UPLOAD_BYTES"],
    ["a maximum of 0", { STREAM_MAX_VIDEO_SECONDS: "0" }, "STREAM_MAX_VIDEO_SECONDS"],
    ["no hosts", { STREAM_UPLOAD_HOSTS: " , " }, "STREAM_UPLOAD_HOSTS must name a host"],
    ["an account without a credential", { STREAM_ACCOUNT_ID: "abc" }, "set either STREAM_API_TOKEN"],
    ["half a credential", { STREAM_ACCOUNT_ID: "abc", STREAM_API_EMAIL: "a@b.example" }, "set either STREAM_API_TOKEN"],
    [
      "two credentials",
      { ...upstream, STREAM_API_EMAIL: "a@b.example", STREAM_API_KEY: "k" },
      "set either STREAM_API_TOKEN",
    ],
    ["a credential without an account", { STREAM_API_TOKEN: "token" }, "STREAM_ACCOUNT_ID is not set"],
    ["an account that is a path", { ...upstream, STREAM_ACCOUNT_ID: "../zones" }, "STREAM_ACCOUNT_ID must be"],
    ["a short webhook secret", { ...upstream, STREAM_WEBHOOK_SECRETS: "changeme" }, "STREAM_WEBHOOK_SECRETS must"],
    [
      "too many webhook secrets",
      { ...upstream, STREAM_WEBHOOK_SECRETS: Array(4).fill(ring("a")).join() },
      "must be at most 3",
    ],
    ["a cache age that is too long", { REGISTRY_CACHE_SECONDS: "3600" }, "REGISTRY_CACHE_SECONDS"],
    ["a deadline above the platform's limit", { STREAM_DEADLINE_MS: "20001" }, "STREAM_DEADLINE_MS"],
    ["an invalid flag", { ALLOW_LOOPBACK: "yes" }, "ALLOW_LOOPBACK"],
  ])("refuses %s and names the setting", (_, change, message) => {
    const parse = () => parseConfig({ ...valid, ...change });
    expect(parse).toThrow(ConfigError);
    expect(parse).toThrow(message);
  });

  it("never includes the value of a setting in an error", () => {
    const secrets = { ...valid, OPERATOR_TOKEN: "tiny-secret", GRANT_KEYS: "g1:not-quite-base64-secret" };
    try {
      parseConfig(secrets);
      expect.unreachable();
    } catch (error) {
      expect(String(error)).not.toMatch(/tiny-secret|not-quite/);
    }
  });
});
