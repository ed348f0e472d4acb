import type { StreamApi } from "../../core/ports/stream.ts";
import { problem } from "../../core/shared/problem.ts";
import { err, ok } from "../../core/shared/result.ts";
import { toAccountProblem } from "../../core/stream/rules/account-check.ts";
import { type StreamClient, unreachable } from "./client.ts";

/** One video, whose `meta` may be long. */
const MAX_ANSWER_BYTES = 1024 * 1024;

/** Reads one video: the cheapest call that needs account and credential. It does not show whether the token may write. */
export function createStreamAccount({ request }: StreamClient): Pick<StreamApi, "checkAccount"> {
  return {
    async checkAccount(upstream) {
      try {
        const answer = await request(upstream, { method: "GET", path: "?limit=1", maxBytes: MAX_ANSWER_BYTES });
        if (answer.status !== 200) return err(toAccountProblem(await answer.error()));
        const listed = Array.isArray((await answer.envelope())?.result);
        return listed ? ok(undefined) : err(problem("stream_bad_answer", "The answer is not that of Stream's API."));
      } catch (error) {
        return err(unreachable(error));
      }
    },
  };
}
