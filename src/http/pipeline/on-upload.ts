import type { Context } from "hono";
import type { AuthenticatePorts } from "../../core/auth/authenticate.ts";
import type { Result } from "../../core/shared/result.ts";
import type { Operation } from "../../core/stream/rules/operations.ts";
import {
  type UploadUse,
  type UseUploadPorts,
  type UseUploadRequest,
  useUpload,
} from "../../core/uploads/use-upload.ts";
import type { AppEnv } from "../app-env.ts";
import { requireScope } from "./require-scope.ts";

export type OnUploadPorts = AuthenticatePorts & UseUploadPorts;

/** Which API a request came to: the tenant's own paths, `/v1/:tenant`, or Cloudflare's. */
export type Door = UseUploadRequest["door"];

/**
 * Carries out an operation on the upload in the path, also if the client disconnects: what Stream has been told must be recorded.
 * The caller is authenticated in `useUpload`, since that may have to be done again.
 */
export function onUpload<T>(
  ports: OnUploadPorts,
  c: Context<AppEnv>,
  operation: Operation,
  door: Door,
  use: UploadUse<T>,
): Promise<Result<T>> {
  const request: UseUploadRequest = {
    operation,
    door,
    id: parameterOf(c, door === "tenant" ? "id" : "uid"),
    authenticate: (registry) => requireScope({ ...ports, registry }, operation.scope, "one upload")(c),
  };
  const outcome = useUpload(ports, request, use, c.get("log"));
  c.executionCtx.waitUntil(outcome);
  return outcome;
}

/** A parameter of the path: Hono's, or on Cloudflare's paths that of the table of operations. */
export function parameterOf(c: Context<AppEnv>, name: string): string {
  return c.get("parameters")?.[name] ?? c.req.param(name) ?? "";
}
