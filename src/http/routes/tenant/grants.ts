import { Routes } from "../../routes.ts";
import type { AuthenticatePorts } from "../../../core/auth/authenticate.ts";
import { type MintGrantPorts, mintGrant, mintGrantSchema } from "../../../core/auth/mint-grant.ts";
import { rfc3339 } from "../../../core/shared/time.ts";
import { handle } from "../../pipeline/handle.ts";
import { requireScope } from "../../pipeline/require-scope.ts";
import { resource } from "../../pipeline/resource.ts";

/** `POST /v1/:tenant/grants`: mints a token for one upload of one end user or a few, which the tenant's backend hands out. */
export function grantRoutes(ports: AuthenticatePorts & MintGrantPorts): Routes {
  const routes = new Routes();
  const mint = handle(
    { access: requireScope(ports, "grants:create"), body: mintGrantSchema },
    async (c, { access, body }) => {
      const minted = await mintGrant(ports, access, body);
      if (!minted.ok) return minted;
      const { grant, token } = minted.value;
      const { id, person, reference, uploads, playback, expiresAt } = grant;
      const document = {
        id,
        grant: token,
        ...(person && { subject: person.subject, namespace: person.namespace }),
        ...(reference !== undefined && { reference }),
        uploads,
        ...(playback && { playback }),
        expiresAt: rfc3339(expiresAt),
      };
      return c.json(document, 201, { "Cache-Control": "no-store" });
    },
  );
  resource(routes, "/", { POST: mint }, { preflight: true });
  return routes;
}
