import { ROUTES } from "../support/route-table.ts";
import type { Documents } from "./documents.ts";

/** A route that the fuzz calls. */
export interface Target {
  readonly method: string;
  /** With parameters such as `:tenant`. */
  readonly path: string;
  /** It takes a tus creation. */
  readonly tus?: boolean;
  /** A valid JSON body of it. */
  readonly document?: keyof Documents;
  /** It needs a video that is ready. */
  readonly ready?: boolean;
  /** The text of the file in its form. */
  readonly form?: string;
}

const DOCUMENT_OF: Readonly<Record<string, keyof Documents>> = {
  "direct-uploads": "direct",
  direct_upload: "direct",
  grants: "grant",
  check: "check",
  playback: "playback",
  token: "streamToken",
  ":id": "edit",
  copies: "copy",
  copy: "copy",
  clips: "clip",
  clip: "clipOfVideo",
};

/** Without the query, which makes requests of their own in `ROUTES`. */
const routes = new Map(ROUTES.map((route) => [`${route.method} ${route.path.replace(/\?.*/, "")}`, route]));

export const TENANT_TARGETS: readonly Target[] = [...routes.values()].map((route) => {
  const { method, path } = route;
  const document = route.body && DOCUMENT_OF[path.slice(path.lastIndexOf("/") + 1)];
  return {
    method,
    path: path.replace(/\?.*/, ""),
    ...(route.tus && { tus: true }),
    ...(document && { document }),
    ...(route.needs && { ready: true }),
    ...(route.form !== undefined && { form: route.form }),
  };
});

const document = (path: string, document: Target["document"]): Target[] => [
  { method: "GET", path },
  { method: "DELETE", path },
  { method: "PUT", path, ...(document && { document }) },
];
const A_TENANT = "/admin/v1/tenants/:scratch";

/** Every route of the gateway that is not in `ROUTES`. */
export const OTHER_TARGETS: readonly Target[] = [
  { method: "GET", path: "/admin/v1/tenants" },
  ...document(A_TENANT, "tenant"),
  { method: "GET", path: `${A_TENANT}/keys` },
  { method: "POST", path: `${A_TENANT}/keys`, document: "key" },
  { method: "DELETE", path: `${A_TENANT}/keys/:key` },
  { method: "GET", path: `${A_TENANT}/endpoints` },
  ...document(`${A_TENANT}/endpoints/:endpoint`, "endpoint"),
  { method: "POST", path: `${A_TENANT}/endpoints/:endpoint/rotate` },
  { method: "GET", path: "/admin/v1/tenants/:tenant/events" },
  { method: "GET", path: "/admin/v1/tenants/:tenant/events/:event" },
  { method: "POST", path: "/admin/v1/tenants/:tenant/events/:event/redeliver", document: "redelivery" },
  { method: "GET", path: "/admin/v1/plans" },
  ...document("/admin/v1/plans/:scratch", "plan"),
  { method: "GET", path: "/admin/v1/issuers" },
  ...document("/admin/v1/issuers/:scratch", "issuer"),
  { method: "POST", path: "/admin/v1/issuers/:scratch/check", document: "issuerCheck" },
  { method: "GET", path: "/admin/v1/upstreams" },
  ...document("/admin/v1/upstreams/:scratch", "upstream"),
  { method: "POST", path: "/admin/v1/upstreams/:upstream/check" },
  { method: "POST", path: "/admin/v1/upstreams/:upstream/check" },
  { method: "GET", path: "/admin/v1/upstreams/:upstream/webhook" },
  { method: "PUT", path: "/admin/v1/upstreams/:upstream/webhook", document: "webhook" },
  { method: "GET", path: "/admin/v1/upstreams/:upstream/signing-keys" },
  { method: "POST", path: "/admin/v1/upstreams/:upstream/signing-keys", document: "signingKey" },
  { method: "DELETE", path: "/admin/v1/upstreams/:upstream/signing-keys/:key" },
  { method: "GET", path: "/admin/v1/upstreams/:upstream/reconciliation" },
  { method: "POST", path: "/admin/v1/upstreams/:upstream/reconciliation" },
  { method: "GET", path: "/admin/v1/audit" },
  { method: "POST", path: "/hooks/stream/:upstream", document: "notification" },
  { method: "GET", path: "/schemas/upload-event.v1.json" },
  { method: "GET", path: "/healthz" },
];

export const TARGETS: readonly Target[] = [...TENANT_TARGETS, ...OTHER_TARGETS];
