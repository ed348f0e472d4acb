import { type Problem, problem } from "../../shared/problem.ts";
import { truncate } from "../../shared/text.ts";
import { type StreamErrorResponse, toProblem } from "./map-stream-error.ts";

/** "Invalid request headers": what Cloudflare answers to a token that is not in the form of one (assumed: secondary source). */
const INVALID_HEADERS = 6003;
/** "Could not route to …, perhaps your object identifier is invalid?" (assumed: secondary source). */
const NO_ROUTE = 7003;

/** What an error says about the account and the credential of the call. Only operators see it, so Stream's text is passed on. */
export function toAccountProblem(response: StreamErrorResponse): Problem {
  const { status, errors } = response;
  const has = (number: number) => errors.some(({ code }) => code === number);
  const found = `(found: ${status} ${truncate(errors[0]?.message ?? "")})`;
  if (status === 401 || status === 403 || has(INVALID_HEADERS))
    return problem("upstream_credential_refused", `Stream refuses the credential for this account ${found}.`);
  if (has(NO_ROUTE) || (status === 404 && errors.length > 0))
    return problem("upstream_account_unknown", `Stream does not know the account ${found}.`, { key: "accountId" });
  return toProblem(response);
}
