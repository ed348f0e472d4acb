import type { FailureLimit } from "../adapters/auth/auth-failure-limiter.ts";
import type { RequestEvent } from "../core/ports/telemetry.ts";

/** What every handler finds in its context. */
export interface AppEnv {
  Bindings: Env;
  Variables: {
    requestId: string;
    event: RequestEvent;
    failures: FailureLimit;
  };
}
