import type { Context } from "hono";
import type { Access, AuthenticatePorts } from "../../core/auth/authenticate.ts";
import { type Result, err } from "../../core/shared/result.ts";
import type { Operation } from "../../core/stream/rules/operations.ts";
import {
  type UploadUse,
  type UseUploadPorts,
  type UseUploadRequest,
  refuseOperation,
  useUpload,
} from "../../core/uploads/use-upload.ts";
import type { AppEnv } from "../app-env.ts";
import { requireScope } from "./require-scope.ts";

export type OnUploadPorts = AuthenticatePorts & UseUploadPorts;

/** Which API a request came to: the tenant's own paths, `/v1/:tenant`, or Cloudflare's. */
export type Door = UseUploadRequest["door"];

/**
 * Authenticates the caller for an operation on an upload, and checks that the policy allows it: before anything else is read. A
 * slow body must not outlast the credential, so `onUpload` does both again.
 */
export function requireOperation(
  ports: AuthenticatePorts,
  operation: Operation,
): (c: Context<AppEnv>) => Promise<Result<Access>> {
  const authenticate = requireScope(ports, operation.scope, "one upload");
  return async function requireOperation(c) {
    const access = await authenticate(c);
    const refusal = access.ok && refuseOperation(access.value, operation);
    return refusal ? err(refusal) : access;
  };
}

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
