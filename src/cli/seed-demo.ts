/** The tenant of a local gateway. */
export const DEMO_TENANT = "demo";

export const DEMO_POLICY = {
  upload: { maxBytes: 5_368_709_120 },
  metadata: {
    name: { default: "Untitled", maxLength: 200 },
    maxdurationseconds: { default: 600, max: 3_600 },
    requiresignedurls: { force: true },
    thumbnailtimestamppct: { default: 0.5 },
    scheduleddeletion: { default: "P90D", min: "P30D", max: "P1Y" },
    expiry: { default: "auto", max: "PT6H" },
  },
  custom: { "*": { allow: ["project"], onViolation: "drop" } },
  creator: { from: "caller" },
} as const;

const DEMO_LIMITS = { pending: 50, rate: { tenant: 60 }, quota: { day: { uploads: 1_000 } } };

/**
 * Creates the tenant `demo` through the operator API if it is missing. Later changes to the tenant are kept.
 *
 * @returns the known key while it is valid, else a new one
 */
export async function seedDemo(url: string, operatorToken: string, knownKey?: string): Promise<string> {
  const call = operatorOf(url, operatorToken);
  const tenant = `/tenants/${DEMO_TENANT}`;
  if ((await call("GET", tenant)).status === 404)
    await call("PUT", tenant, { name: "Demo", policy: DEMO_POLICY, limits: DEMO_LIMITS });
  if (knownKey !== undefined) {
    const policy = await fetch(`${url}/v1/${DEMO_TENANT}/policy`, { headers: { Authorization: `Bearer ${knownKey}` } });
    if (policy.ok) return knownKey;
  }
  const { key } = (await (await call("POST", `${tenant}/keys`, { name: "npm start" })).json()) as { key: string };
  return key;
}

const SIGNING_KEYS = "/upstreams/default/signing-keys";

/** Makes a key that signs playback tokens, unless there is one. */
export async function seedSigningKey(url: string, operatorToken: string): Promise<void> {
  const call = operatorOf(url, operatorToken);
  const { signingKeys } = (await (await call("GET", SIGNING_KEYS)).json()) as { signingKeys: { signs: boolean }[] };
  if (!signingKeys.some(({ signs }) => signs)) await call("POST", SIGNING_KEYS);
}

/** @returns a function that calls the operator API, and throws if it refuses with another status than 404 */
function operatorOf(url: string, token: string) {
  return async (method: string, path: string, body?: unknown): Promise<Response> => {
    const response = await fetch(`${url}/admin/v1${path}`, {
      method,
      headers: {
        Authorization: `Bearer ${token}`,
        ...(body !== undefined && { "Content-Type": "application/json" }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    if (!response.ok && response.status !== 404)
      throw new Error(
        `The operator API answered ${response.status} to ${method} ${new URL(response.url).pathname}: ${await response.text()}`,
      );
    return response;
  };
}
