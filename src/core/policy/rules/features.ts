import { type Problem, problem } from "../../shared/problem.ts";
import { type DocumentSource, memberPath } from "./member-path.ts";

/** What a policy can allow besides uploads. */
export const FEATURES = ["playback", "edit", "copy", "captions", "downloads", "clip"] as const;

export type Feature = (typeof FEATURES)[number];

interface Features extends DocumentSource {
  /** Absent: all. */
  readonly features?: readonly Feature[];
}

/** @returns `undefined` if all documents of the policy allow the feature */
export function refuseFeature(policy: readonly Features[], feature: Feature): Problem | undefined {
  const document = policy.find(({ features }) => features && !features.includes(feature));
  if (!document) return undefined;
  const path = memberPath(document, "features");
  const allowed = document.features?.join(", ") || "none";
  return problem("feature_not_allowed", `${path} must have ${feature} (found: ${allowed}).`, { key: path });
}
