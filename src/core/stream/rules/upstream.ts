import { type Problem, problem } from "../../shared/problem.ts";
import { type Result, err } from "../../shared/result.ts";

/** What a Stream account takes. */
export interface AccountMaxima {
  /** Bytes of the largest file. */
  readonly maxUploadBytes: number;
  /** Seconds of the longest video. */
  readonly maxVideoSeconds: number;
}

/** A Stream account with its credential. */
export interface Upstream extends AccountMaxima {
  readonly id: string;
  readonly accountId: string;
  /** Without a trailing slash, e.g. https://api.cloudflare.com/client/v4 */
  readonly apiBase: string;
  /** Hosts (`host` or `host:port`) that `Location` may point to. */
  readonly uploadHosts: readonly string[];
  /** API calls allowed in any 5 minutes. */
  readonly callsPerWindow: number;
  readonly credential:
    | { readonly kind: "token"; readonly token: string }
    | { readonly kind: "key"; readonly email: string; readonly key: string };
  /** Valid secrets of the account's webhook. Without any, every notification is refused. */
  readonly webhookSecrets: readonly string[];
}

const UPSTREAM_UNKNOWN = problem("upstream_unknown", "The upstream is not configured.");

/**
 * Refuses if a look-up found no upstream: `requireUpstream(await registry.upstream(id))`. Synchronous, so that it adds no
 * await to a creation.
 */
export function requireUpstream(
  lookup: Result<Upstream | undefined>,
  missing: Problem = UPSTREAM_UNKNOWN,
): Result<Upstream> {
  return lookup.ok && !lookup.value ? err(missing) : (lookup as Result<Upstream>);
}
