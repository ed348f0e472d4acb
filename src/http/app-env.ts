import type { AuthFailureLimiter } from "../core/ports/auth-failure-limiter.ts";
import type { RequestLog } from "../core/ports/telemetry.ts";

/** What every handler finds in its context. */
export interface AppEnv {
  Variables: {
    requestId: string;
    log: RequestLog;
    failures: AuthFailureLimiter;
  };
}
