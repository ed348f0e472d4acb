import type { AuthFailureLimiter } from "../adapters/auth/auth-failure-limiter.ts";
import type { RequestLog } from "../core/ports/telemetry.ts";

/** What every handler finds in its context. */
export interface AppEnv {
  Bindings: Env;
  Variables: {
    requestId: string;
    event: RequestLog;
    failures: AuthFailureLimiter;
  };
}
