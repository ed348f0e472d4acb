import type { Fault } from "./faults.ts";
import { type Answer, fail } from "./http.ts";

/** Stream's refusals, whether real or injected by a test. */

/** The call limit is exceeded: all calls are blocked for `retryAfterSeconds`. [C] */
export function refuseRate(limit: number, retryAfterSeconds: number): Answer {
  const seconds = String(retryAfterSeconds);
  return fail(429, 971, "Please wait and consider throttling your request speed", {
    "retry-after": seconds,
    "x-ratelimit-limit": String(limit),
    "x-ratelimit-remaining": "0",
    "x-ratelimit-reset": seconds,
  });
}

/** Too many videos queued or encoding. 429 or 413 [C]; the choice and the code are [U]. */
export function refuseQueue(limit: number): Answer {
  return fail(429, 10005, `at most ${limit} videos may be queued or encoding`);
}

/** [S] */
export function refuseStorage(): Answer {
  return fail(413, 10011, "Storage capacity exceeded: not enough minutes left");
}

/** [U] */
export function refuseCredential(status: 401 | 403): Answer {
  return fail(status, 10000, status === 401 ? "Authentication error" : "the token lacks the permission Stream Write");
}

/** The response of a fault of the kind `refuse` or `status`. */
export function answerOfFault(fault: Fault, apiLimit: number, queueLimit: number): Answer {
  if (fault.kind !== "refuse") {
    const { status = 500, headers, body = "" } = fault;
    return { status, ...(headers && { headers }), body };
  }
  switch (fault.as) {
    case "rate":
      return refuseRate(apiLimit, Number(fault.headers?.["retry-after"] ?? 300));
    case "queue":
      return refuseQueue(queueLimit);
    case "storage":
      return refuseStorage();
    case "unauthorized":
      return refuseCredential(401);
    case "forbidden":
      return refuseCredential(403);
    case "unavailable":
    case undefined:
      return fail(503, 10500, "Service unavailable");
    default:
      return fault.as satisfies never;
  }
}
