/**
 * Whether arrays and objects nest deeper than `levels`. Goes level by level: recursion, in `JSON.stringify` and in RPC calls too,
 * overflows the stack at some thousand levels, and `JSON.parse` does not.
 */
export function isDeeperThan(levels: number, json: unknown): boolean {
  let level = [json].filter(isContainer);
  for (let depth = 0; level.length > 0; depth++) {
    if (depth === levels) return true;
    level = level.flatMap((container): unknown[] => Object.values(container)).filter(isContainer);
  }
  return false;
}

function isContainer(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/** Whether a value is a JSON object, and not a list. */
export function isJsonObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return isContainer(value) && !Array.isArray(value);
}

/** @returns the value of a JSON text in UTF-8, with or without a byte order mark; `undefined` if it is none */
export function parseJson(bytes: Uint8Array): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes)) };
  } catch {
    return undefined;
  }
}
