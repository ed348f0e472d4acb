import type { FailureLimit } from "../adapters/failure-limit.ts";
import type { RequestEvent } from "../adapters/request-event.ts";

/** What every handler finds in its context. */
export interface AppEnv {
  Bindings: Env;
  Variables: {
    requestId: string;
    event: RequestEvent;
    failures: FailureLimit;
  };
}
