import type { AuthFailureLimiter } from "../core/ports/auth-failure-limiter.ts";
import type { RequestLog } from "../core/ports/telemetry.ts";

/** The context variables of every handler. */
export interface AppEnv {
  Variables: {
    requestId: string;
    log: RequestLog;
    failures: AuthFailureLimiter;
    /** Of Cloudflare's paths: see `matchOperation`. */
    parameters?: Readonly<Record<string, string>>;
  };
}
