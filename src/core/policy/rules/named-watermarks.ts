import type { Policy } from "./policy.ts";

/** The uids of the watermark profiles that a policy names, each once. */
export function namedWatermarks(policy: Policy): readonly string[] {
  const rules = policy.map(({ json }) => (json as { metadata?: { watermark?: WatermarkRule } }).metadata?.watermark);
  return [...new Set(rules.flatMap((rule) => [rule?.force ?? [], rule?.default ?? [], rule?.oneOf ?? []].flat()))];
}

/** The rule of `watermark` as it was written, which `readPolicy` has checked. */
interface WatermarkRule {
  readonly force?: string;
  readonly default?: string;
  readonly oneOf?: readonly string[];
}
