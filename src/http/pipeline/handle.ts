import type { Context, Handler } from "hono";
import type * as v from "valibot";
import type { Access } from "../../core/auth/authenticate.ts";
import { type Err, type Result, ok } from "../../core/shared/result.ts";
import type { AppEnv } from "../app-env.ts";
import { readJson } from "./json-body.ts";
import { readSlugs } from "./slug.ts";
import { respondProblem } from "./problem-response.ts";
import { type QuerySchema, readQuery } from "./query.ts";

/** What a request must have before its handler runs. */
export interface Requirements {
  /** See `requireScope`. Without it, the handler authenticates, or the routes above have done so. */
  readonly access?: (c: Context<AppEnv>) => Promise<Result<Access>>;
  /** Path parameters that are ids of tenants, upstreams and the like. */
  readonly slugs?: readonly string[];
  /** Without it, the query is ignored. */
  readonly query?: QuerySchema;
  /** Schema of a JSON body. Without it, the body is not read. */
  readonly body?: v.GenericSchema;
}

/** What a handler gets: a member for each requirement. */
export type Input<R extends Requirements> = Readonly<
  (R extends { access: object } ? { access: Access } : unknown) &
    (R extends { slugs: readonly (infer Name extends string)[] } ? { path: Readonly<Record<Name, string>> } : unknown) &
    (R extends { query: infer S extends v.GenericSchema } ? { query: v.InferOutput<S> } : unknown) &
    (R extends { body: infer S extends v.GenericSchema } ? { body: v.InferOutput<S> } : unknown)
>;

/**
 * Builds the handler of one method and path. The order is the same for all: the credential, the path, the query, the body,
 * then `respond`; the method comes first of all, see `resource`. The first that fails is the response.
 *
 * @param respond returns the response, or the problem to respond with
 */
export function handle<const R extends Requirements>(
  requirements: R,
  respond: (c: Context<AppEnv>, input: Input<R>) => Response | Err | Promise<Response | Err>,
): Handler<AppEnv> {
  return async function handle(c) {
    const input = await readInput(c, requirements);
    const answer = input.ok ? await respond(c, input.value as Input<R>) : input;
    return answer instanceof Response ? answer : respondProblem(c, answer.problem);
  };
}

const NOTHING = ok(undefined);

async function readInput(c: Context<AppEnv>, requirements: Requirements): Promise<Result<object>> {
  const access = requirements.access ? await requirements.access(c) : NOTHING;
  if (!access.ok) return access;
  const path = requirements.slugs ? readSlugs(c, requirements.slugs) : NOTHING;
  if (!path.ok) return path;
  const query = requirements.query ? readQuery(c.req.url, requirements.query) : NOTHING;
  if (!query.ok) return query;
  const body = requirements.body ? await readJson(c.req.raw, requirements.body) : NOTHING;
  if (!body.ok) return body;
  return ok({ access: access.value, path: path.value, query: query.value, body: body.value });
}
