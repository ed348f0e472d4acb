import { type Problem, problem } from "../../shared/problem.ts";
import type { CreationRequest } from "../../uploads/rules/creation-request.ts";
import { type RequestedUpload, limitRequests } from "./check-limits.ts";
import type { Limits } from "./limits.ts";

/**
 * Refuses an upload that a limit could not admit however little of it is used: waiting does not help, so the refusal is final.
 *
 * Workers decide this before they ask the ledger. The ledger does not: a Worker of the version before would not know the code.
 *
 * @returns `upload_too_large` for bytes; `limit_too_small` for seconds and for a limit of 0 uploads
 */
export function unmeetableLimit(
  limits: Limits,
  upload: RequestedUpload,
  kind: CreationRequest["kind"],
): Problem | undefined {
  const limit = limitRequests(limits, upload).find(({ allowed, requested }) => requested > allowed);
  if (!limit) return undefined;
  const { name, allowed, requested, unit } = limit;
  const refused = { limit: { name, allowed, requested } };
  switch (unit) {
    case "bytes": {
      const counted =
        kind === "direct"
          ? " A basic link counts its maximum size: create the upload by tus, which fixes its length."
          : "";
      return problem(
        "upload_too_large",
        `The limit ${name} allows ${allowed} bytes in total, fewer than this upload (requested: ${requested}).${counted}`,
        refused,
      );
    }
    case "seconds":
      return problem(
        "limit_too_small",
        `The limit ${name} allows ${allowed} seconds in total, fewer than maxdurationseconds of this upload (requested: ${requested}).`,
        refused,
      );
    case "uploads":
      return problem("limit_too_small", `The limit ${name} is ${allowed}: it allows no upload.`, refused);
    default:
      return unit satisfies never;
  }
}
