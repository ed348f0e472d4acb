/** A Stream account with its credential. */
export interface Upstream {
  readonly id: string;
  readonly accountId: string;
  /** Without a trailing slash, e.g. https://api.cloudflare.com/client/v4 */
  readonly apiBase: string;
  /** Hosts (`host` or `host:port`) that `Location` may point to. */
  readonly uploadHosts: readonly string[];
  /** API calls that may be made in any 5 minutes. */
  readonly callsPerWindow: number;
  readonly credential:
    | { readonly kind: "token"; readonly token: string }
    | { readonly kind: "key"; readonly email: string; readonly key: string };
  /** Secrets of the account's webhook, all of them valid; none: its events are refused. */
  readonly webhookSecrets: readonly string[];
}
