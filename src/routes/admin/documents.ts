import type { Context } from "hono";
import * as v from "valibot";
import type { Page } from "../../adapters/registry/registry-store.ts";
import { SCOPES } from "../../domain/caller.ts";
import { problem } from "../../domain/problem.ts";
import { type Result, accept, refuse } from "../../domain/result.ts";
import { TENANT_ID } from "../../domain/tenant.ts";
import type { AppEnv } from "../../middleware/app-env.ts";

/** Shapes that several documents share. */

/** Issuers and upstreams are named as tenants are. */
export const slug = v.pipe(v.string(), v.regex(TENANT_ID, "must match [a-z0-9][a-z0-9-]{0,31}"));

export const scopes = v.pipe(v.array(v.picklist(SCOPES)), v.minLength(1), v.maxLength(SCOPES.length));

/** For people; anything printable. */
export const displayName = v.pipe(v.string(), v.minLength(1), v.maxLength(200));

/** The id in the path, where it can be one at all. */
export function readSlug(c: Context<AppEnv>, parameter: string): Result<string> {
  const id = c.req.param(parameter) ?? "";
  return TENANT_ID.test(id)
    ? accept(id)
    : refuse(problem("bad_request", "Ids match [a-z0-9][a-z0-9-]{0,31}.", { key: parameter }));
}

const DEFAULT_PAGE = 50;
const MAX_PAGE = 100;

/** `?limit=` and `?cursor=`, which is the last id of the page before. */
export function readPage(c: Context<AppEnv>): Result<Page> {
  const limit = c.req.query("limit") ?? String(DEFAULT_PAGE);
  const after = c.req.query("cursor") ?? "";
  if (!/^[1-9]\d{0,2}$/.test(limit) || Number(limit) > MAX_PAGE)
    return refuse(problem("bad_request", `limit must be 1 to ${MAX_PAGE}.`, { key: "limit" }));
  if (after !== "" && !TENANT_ID.test(after))
    return refuse(problem("bad_request", "cursor must be one that this list has given.", { key: "cursor" }));
  return accept({ after, limit: Number(limit) });
}

/** A page, with the cursor of the next where there may be one. */
export function pageOf(name: string, documents: readonly { readonly id: string }[], { limit }: Page) {
  const last = documents.at(-1);
  return { [name]: documents, ...(last && documents.length === limit && { cursor: last.id }) };
}
