import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { V4WorkerOptions } from "miniflare";
import { ensureBuilt, migrate, readWorkerOptions } from "../../src/cli/wrangler.ts";

/** What gateways start from without running wrangler again. It can be sent to other processes as JSON. */
export interface GatewayTemplate {
  /** A folder with an empty database that has all migrations, to be copied. */
  readonly statePath: string;
  readonly workerOptions: V4WorkerOptions;
}

/** Builds the Worker and creates the template; the caller deletes its folder. */
export async function createGatewayTemplate(): Promise<GatewayTemplate> {
  const statePath = await mkdtemp(join(tmpdir(), "sluice-template-"));
  const [workerOptions] = await Promise.all([readWorkerOptions(), ensureBuilt(), migrate(statePath)]);
  return { statePath, workerOptions };
}
