import type { Context } from "hono";
import { MUST_BE_SLUG } from "../../core/shared/fields.ts";
import { problem } from "../../core/shared/problem.ts";
import { type Result, err, ok } from "../../core/shared/result.ts";
import { TENANT_ID } from "../../core/shared/tenant.ts";
import { quoteRequested } from "../../core/shared/text.ts";
import type { AppEnv } from "../app-env.ts";

/** Reads path parameters that are such ids. */
export function readSlugs<Name extends string>(
  c: Context<AppEnv>,
  names: readonly Name[],
): Result<Readonly<Record<Name, string>>> {
  const slugs = {} as Record<Name, string>;
  for (const name of names) {
    const id = c.req.param(name) ?? "";
    if (!TENANT_ID.test(id))
      return err(problem("bad_request", `${name} ${MUST_BE_SLUG}${quoteRequested(id)}.`, { key: name }));
    slugs[name] = id;
  }
  return ok(slugs);
}
