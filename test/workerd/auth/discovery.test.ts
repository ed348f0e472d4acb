import { SignJWT, exportJWK, generateKeyPair } from "jose";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { createTokens } from "../../../src/adapters/auth/tokens.ts";
import type { Issuer } from "../../../src/core/auth/rules/issuer.ts";
import { claims, codeOf, issuerWith, ring, verifyJwt } from "./verify.ts";

let privateKey: CryptoKey;
let keySet: object;

beforeAll(async () => {
  const pair = await generateKeyPair("ES256", { extractable: true });
  privateKey = pair.privateKey;
  keySet = { keys: [{ ...(await exportJWK(pair.publicKey)), kid: "k1" }] };
});
afterEach(() => void vi.restoreAllMocks());

const issuerOf = (iss: string): Issuer => ({ ...issuerWith({ kind: "discovery" }, ["ES256"]), iss });
const sign = (iss: string) =>
  claims(new SignJWT()).setIssuer(iss).setProtectedHeader({ alg: "ES256", kid: "k1" }).sign(privateKey);

/** Answers by URL; `undefined` is a 404. @returns the URLs that are fetched */
function serve(answers: Readonly<Record<string, unknown>>): string[] {
  const urls: string[] = [];
  vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
    const url = String(input);
    urls.push(url);
    expect(init).toMatchObject({ redirect: "manual" });
    expect(init?.signal).toBeInstanceOf(AbortSignal);
    const answer = answers[url];
    if (answer instanceof Response) return answer;
    return answer === undefined ? new Response("", { status: 404 }) : Response.json(answer);
  });
  return urls;
}
const codeFor = async (iss: string) =>
  codeOf(await verifyJwt(createTokens(ring(["new", 1]), false), await sign(iss), issuerOf(iss)));

describe("keys by discovery", () => {
  it.each([
    ["https://idp.example", "https://idp.example/.well-known/openid-configuration"],
    ["https://idp.example/", "https://idp.example/.well-known/openid-configuration"],
    ["https://idp.example/realms/r", "https://idp.example/realms/r/.well-known/openid-configuration"],
    ["https://idp.example/realms/r/", "https://idp.example/realms/r/.well-known/openid-configuration"],
  ])("of %s are those that %s names", async (iss, url) => {
    const urls = serve({
      [url]: { issuer: iss, jwks_uri: "https://keys.example/jwks" },
      "https://keys.example/jwks": keySet,
    });
    const tokens = createTokens(ring(["new", 1]), false);
    for (let round = 0; round < 3; round++)
      expect(codeOf(await verifyJwt(tokens, await sign(iss), issuerOf(iss)))).toBe("accepted");
    expect(urls).toEqual([url, "https://keys.example/jwks"]);
  });

  const iss = "https://strict.example/";
  const url = "https://strict.example/.well-known/openid-configuration";

  it.each<[string, unknown]>([
    ["of another issuer", { issuer: "https://evil.example/", jwks_uri: "https://keys.example/jwks" }],
    ["of the issuer without its slash", { issuer: "https://strict.example", jwks_uri: "https://keys.example/jwks" }],
    ["without an issuer", { jwks_uri: "https://keys.example/jwks" }],
    ["without a jwks_uri", { issuer: iss }],
    ["with a jwks_uri that is no text", { issuer: iss, jwks_uri: ["https://keys.example/jwks"] }],
    ["with a jwks_uri of a private name", { issuer: iss, jwks_uri: "https://keys.internal/jwks" }],
    ["with a jwks_uri without https", { issuer: iss, jwks_uri: "http://keys.example/jwks" }],
    ["that is a list", []],
    ["that is too large", { issuer: iss, jwks_uri: "https://keys.example/jwks", more: "x".repeat(200_000) }],
    ["that is not there", undefined],
    ["that redirects", Response.redirect("https://keys.example/document")],
  ])("are not read by a document %s", async (_, document) => {
    const urls = serve({ [url]: document, "https://keys.example/jwks": keySet });
    expect(await codeFor(iss)).toBe("jwks_unavailable");
    expect(urls).toEqual([url]);
  });
});
