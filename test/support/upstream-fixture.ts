import { USUAL_MAXIMA } from "../../src/core/stream/rules/defaults.ts";
import type { Upstream } from "../../src/core/stream/rules/upstream.ts";
import type { ProvidedStream } from "./vitest-context.ts";

/** An upstream with a token. */
export function upstreamFixture(more: Partial<Upstream> = {}): Upstream {
  return {
    id: "eu",
    accountId: "account",
    apiBase: "https://api.example",
    uploadHosts: [],
    callsPerWindow: 1_000,
    ...USUAL_MAXIMA,
    credential: { kind: "token", token: "t" },
    webhookSecrets: [],
    ...more,
  };
}

/** The account of a local Stream as an upstream. */
export function localUpstream(id: string, { accountId, apiBase, uploadHost, token }: ProvidedStream): Upstream {
  return upstreamFixture({ id, accountId, apiBase, uploadHosts: [uploadHost], credential: { kind: "token", token } });
}
