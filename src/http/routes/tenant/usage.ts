import { Routes } from "../../routes.ts";
import * as v from "valibot";
import type { AuthenticatePorts } from "../../../core/auth/authenticate.ts";
import { type ReadUsagePorts, readCreatorUsage, readMonth } from "../../../core/quota/read-usage.ts";
import { uncountedLimits } from "../../../core/quota/rules/tenant-warnings.ts";
import { formatMonth, rfc3339 } from "../../../core/shared/time.ts";
import { handle } from "../../pipeline/handle.ts";
import { creator, month } from "../../pipeline/query.ts";
import { requireScope } from "../../pipeline/require-scope.ts";
import { resource } from "../../pipeline/resource.ts";
import { ledgerToRead } from "../../../core/quota/ledger-to-read.ts";

const usageQuery = v.pipe(
  v.object({ month: v.exactOptional(month), creator: v.exactOptional(creator) }),
  v.forward(
    v.check(({ month, creator }) => month === undefined || creator === undefined, "must not be combined with month"),
    ["creator"],
  ),
);

/** `GET /v1/:tenant/usage`: what the tenant uses, and its limits; or what it used in a month; or what a creator uses. */
export function usageRoutes(ports: AuthenticatePorts & ReadUsagePorts): Routes {
  const routes = new Routes();
  const access = requireScope(ports, "usage:read");
  const read = handle({ access, query: usageQuery }, async (c, { access, query }) => {
    const { id, limits } = access.tenant;
    if (query.month !== undefined) {
      const usage = await readMonth(ports, access, query.month);
      return usage.ok ? c.json({ tenant: id, month: formatMonth(query.month), usage: usage.value }) : usage;
    }
    if (query.creator !== undefined) {
      const usage = await readCreatorUsage(ports, access, query.creator);
      return usage.ok ? c.json({ tenant: id, creator: query.creator, usage: usage.value, limits }) : usage;
    }
    const ledger = ledgerToRead(ports.ledgers, access.tenant, ports.now());
    const [usage, deletions] = await Promise.all([ledger.usage(id), ledger.deletionsPending(id)]);
    if (!usage.ok) return usage;
    const { pending, videos, storedSeconds, day, month } = usage.value;
    const warnings = access.caller.person ? [] : uncountedLimits(limits);
    const window = ({ start, ...counts }: typeof day) => ({ ...counts, since: rfc3339(start) });
    return c.json({
      tenant: id,
      usage: {
        pending,
        videos,
        storedSeconds,
        // An object of the version before does not know it.
        ...(deletions.ok && { deletionsPending: deletions.value }),
        day: window(day),
        month: window(month),
      },
      limits,
      ...(warnings.length > 0 && { warnings }),
    });
  });
  resource(routes, "/", { GET: read }, { preflight: true });
  return routes;
}
