/** Every route that accepts a tenant's credential; `:id` is an upload's id or uid. Add new routes here. */
export const ROUTES = [
  { method: "POST", path: "/v1/:tenant/uploads", scope: "uploads:create", tus: true, success: 201 },
  { method: "GET", path: "/v1/:tenant/uploads", scope: "uploads:read", success: 200 },
  { method: "GET", path: "/v1/:tenant/uploads/:id", scope: "uploads:read", success: 200 },
  { method: "GET", path: "/v1/:tenant/uploads/:id?view=stream", scope: "uploads:read", success: 200 },
  { method: "DELETE", path: "/v1/:tenant/uploads/:id", scope: "uploads:delete", success: 200 },
  { method: "POST", path: "/v1/:tenant/direct-uploads", scope: "uploads:create", body: {}, success: 201 },
  { method: "POST", path: "/client/v4/accounts/:tenant/stream", scope: "uploads:create", tus: true, success: 201 },
  {
    method: "POST",
    path: "/client/v4/accounts/:tenant/stream/direct_upload",
    scope: "uploads:create",
    body: {},
    success: 200,
  },
  { method: "GET", path: "/client/v4/accounts/:tenant/stream", scope: "uploads:read", success: 200 },
  { method: "GET", path: "/client/v4/accounts/:tenant/stream/storage-usage", scope: "usage:read", success: 200 },
  { method: "GET", path: "/client/v4/accounts/:tenant/stream/:id", scope: "uploads:read", success: 200 },
  { method: "DELETE", path: "/client/v4/accounts/:tenant/stream/:id", scope: "uploads:delete", success: 200 },
  { method: "POST", path: "/v1/:tenant/grants", scope: "grants:create", body: {}, success: 201 },
  { method: "GET", path: "/v1/:tenant/policy", scope: "policy:read", success: 200 },
  { method: "GET", path: "/v1/:tenant/usage", scope: "usage:read", success: 200 },
  { method: "POST", path: "/v1/:tenant/policy/check", scope: "policy:read", body: { length: 1 }, success: 200 },
] as const;

export type Route = (typeof ROUTES)[number];

/** A valid request to a route, but for the credential. `path` is the route's path with its tenant and id. */
export function requestTo(
  route: Route,
  path: string,
  headers: Readonly<Record<string, string>>,
): [string, RequestInit] {
  const json = "body" in route ? { "Content-Type": "application/json" } : {};
  const tus = "tus" in route ? { "Tus-Resumable": "1.0.0", "Upload-Length": "5" } : {};
  return [
    path,
    {
      method: route.method,
      headers: { ...json, ...tus, ...headers },
      ...("body" in route && { body: JSON.stringify(route.body) }),
    },
  ];
}
