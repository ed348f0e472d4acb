import { type Problem, problem } from "../../shared/problem.ts";
import { quoteRequested, truncate } from "../../shared/text.ts";
import { DECODABLE, type MetadataValue, type UploadMetadata } from "../../uploads/rules/metadata-value.ts";
import type { Limits } from "../../quota/rules/limits.ts";
import { fitsFileTypes, mediaTypeOf, mediaTypeOfName } from "./file-types.ts";
import { matchesWildcard } from "./hosts.ts";
import type { Upstream } from "../../stream/rules/upstream.ts";
import type { Explanation, PolicyRequest } from "./policy-decision.ts";
import { memberPath } from "./member-path.ts";
import { type Policy, type PolicyDocument, tenantDocument } from "./policy.ts";
import { normalizeName } from "./normalize-text.ts";
import { FILE_NAME_KEY, FILE_TYPE_KEY, declaredFileTypes } from "./reserved-keys.ts";

/** Takes one line of the explanation, and the refusal if it is one. */
export type Report = (explanation: Explanation, refusal?: Problem) => void;

/** Whether pages of this origin may create uploads. */
export function originAllowed(policy: Policy, origin: string): boolean {
  return policy.every(({ origins }) => !origins || origins.some((pattern) => matchesWildcard(pattern, origin)));
}

/** The problem of a request from a page whose origin is not allowed. */
export function originNotAllowed(origin: string): Problem {
  return problem("origin_not_allowed", `origin must be one of the policy's origins${quoteRequested(origin)}.`, {
    facts: { origin: truncate(origin) },
  });
}

/** Bytes: the largest `Upload-Length` that the policy and the Stream account accept. */
export function maxUploadBytes(
  policy: readonly PolicyDocument[],
  { maxUploadBytes }: Pick<Upstream, "maxUploadBytes">,
): number {
  return Math.min(maxUploadBytes, ...policy.map(({ upload }) => upload.maxBytes));
}

/** In explanations and problems: what the Stream account takes. */
const STREAM_LENGTH = "stream.length";

export function checkOrigin(policy: Policy, { origin }: PolicyRequest, report: Report): void {
  if (origin === undefined) return;
  if (originAllowed(policy, origin)) return report({ key: "origin", outcome: "accepted", requested: origin });
  report(
    { key: "origin", outcome: "refused", requested: origin, rule: memberPath(tenantDocument(policy), "origins") },
    originNotAllowed(origin),
  );
}

export function checkLength(policy: Policy, { kind, length, bounds }: PolicyRequest, report: Report): void {
  const requested = String(length);
  const refuseAsTooLarge = (rule: string, allowed: number, whose = "") =>
    report(
      { key: "length", outcome: "refused", requested, rule },
      problem(
        "upload_too_large",
        kind === "direct"
          ? `length must be at most ${allowed} bytes${whose}, and a basic link accepts up to ${length}: create the upload by tus, which fixes its length.`
          : `length must be at most ${allowed} bytes${whose}${quoteRequested(requested)}.`,
        { limit: { name: rule, allowed, requested: length } },
      ),
    );
  if (length > bounds.maxBytes) return refuseAsTooLarge(STREAM_LENGTH, bounds.maxBytes, ", Stream's limit");
  for (const document of policy) {
    const { upload } = document;
    if (length > upload.maxBytes) return refuseAsTooLarge(memberPath(document, "upload.maxBytes"), upload.maxBytes);
    if (length < upload.minBytes)
      return report(
        { key: "length", outcome: "refused", requested, rule: memberPath(document, "upload.minBytes") },
        problem("upload_too_small", `length must be at least ${upload.minBytes} bytes${quoteRequested(requested)}.`),
      );
  }
  report({ key: "length", outcome: "accepted", requested });
}

/** Bytes of the largest upload that policy, account and limits ever admit, and of a copy that does not say its own. */
export function mostBytes(
  policy: readonly PolicyDocument[],
  account: Pick<Upstream, "maxUploadBytes">,
  { quota = {} }: Limits,
): number {
  const quotas = [quota.day?.bytes, quota.month?.bytes].filter((bytes) => bytes !== undefined);
  return Math.min(maxUploadBytes(policy, account), ...quotas);
}

/**
 * Checks every type that the client declares, under whatever key, and that of a copy's file: an early, cheap check. Stream finds out
 * what the file really is.
 */
export function checkFileType(policy: Policy, request: PolicyRequest, report: Report): void {
  const { metadata, fileName: copied } = request;
  if (copied !== undefined && !checkCopiedFile(policy, copied, report)) return;
  const declared = declaredFileTypes(metadata);
  if (declared.length === 0 && copied === undefined) declared.push([FILE_TYPE_KEY, ""]);
  for (const document of policy) {
    const { fileTypes } = document.upload;
    if (!fileTypes) continue;
    const name = firstName(metadata, FILE_NAME_KEY, "name");
    const fileName = typeof name === "string" ? normalizeName(name).toLowerCase() : "";
    const wrong = declared.find(
      ([, value]) => typeof value === "object" || !fitsFileTypes(fileTypes, mediaTypeOf(value), fileName),
    );
    if (!wrong) continue;
    const [key, value] = wrong;
    const [code, requested, expected] =
      typeof value === "object"
        ? (["upload_metadata_invalid", value.undecodable, DECODABLE] as const)
        : (["file_type_not_allowed", mediaTypeOf(value), `one of ${fileTypes.join(", ")}`] as const);
    const required = requested ? "" : "is required and ";
    return report(
      { key, outcome: "refused", requested, rule: memberPath(document, "upload.fileTypes") },
      problem(code, `${key} ${required}must be ${expected}${quoteRequested(requested || undefined)}.`, { key }),
    );
  }
}

/** The file of a copy is judged by the extension in its URL, which is not quoted: it may be signed. @returns whether it is accepted */
function checkCopiedFile(policy: Policy, fileName: string, report: Report): boolean {
  for (const document of policy) {
    const { fileTypes } = document.upload;
    const name = fileName.toLowerCase();
    if (!fileTypes || ["", mediaTypeOfName(name)].some((type) => fitsFileTypes(fileTypes, type, name))) continue;
    report(
      { key: FILE_TYPE_KEY, outcome: "refused", rule: memberPath(document, "upload.fileTypes") },
      problem(
        "file_type_not_allowed",
        `The link must be of a file with an extension of one of ${fileTypes.join(", ")}.`,
        {
          key: "input",
        },
      ),
    );
    return false;
  }
  return true;
}

/** The value of the first of these keys that is a name. Nothing but control characters is none. */
export function firstName(metadata: UploadMetadata, ...keys: readonly string[]): MetadataValue | undefined {
  return keys
    .map((key) => metadata.get(key))
    .find((value) => (typeof value === "string" ? normalizeName(value) : value));
}
