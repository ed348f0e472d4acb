import * as v from "valibot";
import {
  type SigningKeyPorts,
  deleteSigningKey,
  importSigningKey,
  makeSigningKey,
} from "../../../core/playback/signing-keys.ts";
import { SIGNING_KEY_ID, chooseSigningKey, readSigningJwk } from "../../../core/playback/rules/signing-key.ts";
import type { CachedRegistry } from "../../../core/ports/registry.ts";
import { invalidField } from "../../../core/shared/invalid-field.ts";
import { problem } from "../../../core/shared/problem.ts";
import { type Result, err } from "../../../core/shared/result.ts";
import { jsonObject } from "../../../core/shared/strict-object.ts";
import { type Upstream, requireUpstream } from "../../../core/stream/rules/upstream.ts";
import { handle } from "../../pipeline/handle.ts";
import { readOptionalJson } from "../../pipeline/json-body.ts";
import { flag } from "../../pipeline/query.ts";
import { resource } from "../../pipeline/resource.ts";
import { Routes } from "../../routes.ts";
import { NO_SUCH_UPSTREAM } from "./upstreams.ts";

export interface SigningKeyRoutePorts extends SigningKeyPorts {
  readonly registry: CachedRegistry;
  /** Milliseconds since the epoch. */
  readonly nowMs: () => number;
}

/** `upstreams/:upstream/signing-keys`: the keys that sign playback tokens, also of the upstream `default`. They are never shown. */
export function signingKeyRoutes(ports: SigningKeyRoutePorts): Routes {
  const { adminRegistry, registry, nowMs } = ports;
  const routes = new Routes();
  const slugs = ["upstream"] as const;
  /** Without both, a key is made. */
  const postSchema = jsonObject({
    id: v.optional(v.pipe(v.string(), v.regex(SIGNING_KEY_ID, "must be the id of a signing key at Stream"))),
    jwk: v.optional(v.unknown()),
  });

  const readUpstream = async (id: string): Promise<Result<Upstream>> =>
    requireUpstream(await registry.uncached.upstream(id, "trusted"), NO_SUCH_UPSTREAM);

  const documents = async ({ id, accountId }: Upstream) => {
    const keys = await adminRegistry.signingKeys.list(id);
    const signing = chooseSigningKey(
      keys.filter((key) => key.opens && key.accountId === accountId),
      nowMs(),
    );
    return keys.map((key) => ({
      id: key.id,
      createdAt: new Date(key.created).toISOString(),
      signs: key === signing,
    }));
  };

  resource(routes, "/", {
    GET: handle({ slugs }, async (c, { path }) => {
      const upstream = await readUpstream(path.upstream);
      return upstream.ok ? c.json({ signingKeys: await documents(upstream.value) }) : upstream;
    }),

    POST: handle({ slugs }, async (c, { path }) => {
      const body = await readOptionalJson(c.req.raw, postSchema);
      if (!body.ok) return body;
      const { id, jwk: given } = body.value;
      if ((id === undefined) !== (given === undefined))
        return invalidField(id === undefined ? "id" : "jwk", "id and jwk are required together, or neither");
      const upstream = await readUpstream(path.upstream);
      if (!upstream.ok) return upstream;
      const jwk = id === undefined ? undefined : readSigningJwk(given, id);
      if (id !== undefined && !jwk) return invalidField("jwk", MUST_BE_JWK);
      const stored =
        id !== undefined && jwk
          ? await importSigningKey(ports, upstream.value, { id, jwk })
          : await makeSigningKey(ports, upstream.value);
      if (!stored.ok) return stored;
      const document = (await documents(upstream.value)).find((key) => key.id === stored.value);
      return document ? c.json(document, 201) : err(NO_SUCH_KEY);
    }),
  });

  resource(routes, "/:key", {
    DELETE: handle({ slugs, query: deleteQuery }, async (c, { path, query }) => {
      const upstream = await readUpstream(path.upstream);
      if (!upstream.ok) return upstream;
      const deleted = await deleteSigningKey(ports, upstream.value, c.req.param("key") ?? "", query.force);
      if (!deleted.ok) return deleted;
      return deleted.value ? c.body(null, 204) : err(NO_SUCH_KEY);
    }),
  });
  return routes;
}

const deleteQuery = v.object({ force: flag });
const NO_SUCH_KEY = problem("not_found", "The upstream has no such signing key.");
const MUST_BE_JWK =
  "must be a private RSA key of 2048 to 4096 bits for RS256 as a JWK, or that in base64, and a kid must be the id";
