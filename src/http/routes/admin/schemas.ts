import type { Context } from "hono";
import * as v from "valibot";
import type { Page } from "../../../adapters/d1/admin-registry.ts";
import { SCOPES } from "../../../core/auth/rules/scopes.ts";
import { isEndpointUrl } from "../../../core/webhooks/rules/endpoint.ts";
import { isSafeUrl } from "../../../core/shared/safe-url.ts";
import { problem } from "../../../core/shared/problem.ts";
import { type Result, ok, err } from "../../../core/shared/result.ts";
import { TENANT_ID } from "../../../core/shared/tenant.ts";
import type { AppEnv } from "../../app-env.ts";

/** Shapes that several documents share. */

/** Issuers and upstreams are named as tenants are. */
export const slug = v.pipe(v.string(), v.regex(TENANT_ID, "must match [a-z0-9][a-z0-9-]{0,31}"));

/** A choice of some of these, each once. */
export const uniqueSubset = <const T extends string>(names: readonly T[]) =>
  v.pipe(
    v.array(v.picklist(names)),
    v.minLength(1),
    v.check((chosen) => new Set(chosen).size === chosen.length, "must not name anything twice"),
  );

export const scopes = uniqueSubset(SCOPES);

/** For people; neither control characters nor halves of surrogate pairs, which no database keeps as they are. */
export const displayName = v.pipe(
  v.string(),
  v.regex(/^[^\p{Cc}\p{Cs}]{1,200}$/u, "must be 1 to 200 printable characters"),
);

/** A URL to which secrets may go, or from which keys may come; as it is written, without a parser's mending. */
export const safeUrl = (allowLoopback: boolean) =>
  v.pipe(
    v.string(),
    v.check(
      (url) => /^https?:\/\/[\x21-\x7e]{1,1000}$/.test(url) && isSafeUrl(url, allowLoopback),
      "must be an https URL",
    ),
  );

/** A URL to which events may go. */
export const endpointUrl = (allowLoopback: boolean) =>
  v.pipe(
    v.string(),
    v.check(
      (url) => isEndpointUrl(url, allowLoopback),
      "must be an https URL on port 443 of a public name, without user info",
    ),
  );

/** The id in the path, where it can be one at all. */
export function readSlug(c: Context<AppEnv>, parameter: string): Result<string> {
  return parseSlug(c.req.param(parameter) ?? "", parameter);
}

export function parseSlug(id: string, parameter: string): Result<string> {
  return TENANT_ID.test(id)
    ? ok(id)
    : err(problem("bad_request", "Ids match [a-z0-9][a-z0-9-]{0,31}.", { key: parameter }));
}

const DEFAULT_PAGE = 50;
const MAX_PAGE = 100;

/** Of lists by id. */
const ID_CURSOR = /^[A-Za-z0-9-]{0,32}$/;

/** `?limit=` and `?cursor=`, which is the last id of the page before. */
export function readPage(c: Context<AppEnv>, cursors = ID_CURSOR): Result<Page> {
  const limit = c.req.query("limit") ?? String(DEFAULT_PAGE);
  const after = c.req.query("cursor") ?? "";
  if (!/^[1-9]\d{0,2}$/.test(limit) || Number(limit) > MAX_PAGE)
    return err(problem("bad_request", `limit must be 1 to ${MAX_PAGE}.`, { key: "limit" }));
  if (!cursors.test(after))
    return err(problem("bad_request", "cursor must be one that this list has given.", { key: "cursor" }));
  return ok({ after, limit: Number(limit) });
}

/** A page, with the cursor of the next where there may be one. */
export function pageOf(name: string, documents: readonly { readonly id: string }[], { limit }: Page) {
  const last = documents.at(-1);
  return { [name]: documents, ...(last && documents.length === limit && { cursor: last.id }) };
}
