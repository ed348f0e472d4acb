/** Long enough for an identifier or a project code; a pattern is not a parser. */
const MAX_PATTERN_CHARACTERS = 200;
/** Of a value that is held against a pattern; with at most two unbounded repetitions, 10⁶ steps at worst. */
const MAX_MATCHED_CHARACTERS = 1_000;
const MAX_UNBOUNDED_REPETITIONS = 2;
/** Of a counted repetition, `{0,100}`: it may backtrack like an unbounded one, but not far. */
const MAX_COUNT = 100;
const MAX_COUNTED_REPETITIONS = 3;

/** A test for values that takes a bounded time whatever the value. */
export type Pattern = (value: string) => boolean;

/**
 * Compiles the `pattern` verb: a regular expression that has to match the whole value. Undefined where it is not one, or
 * where matching could take more than polynomial time: tenants may write policies into grants, and a backtracking
 * `(a+)+$` of one would hold up the requests of all. So a repetition stands behind a single character or class, never
 * behind a group; there are few of them; look-around and back-references are left out.
 */
export function compilePattern(source: string): Pattern | undefined {
  if (source.length > MAX_PATTERN_CHARACTERS || !repeatsLittle(source)) return undefined;
  try {
    const expression = new RegExp(`^(?:${source})$`, "u");
    return (value) => value.length <= MAX_MATCHED_CHARACTERS && expression.test(value);
  } catch {
    return undefined;
  }
}

/** One piece of a pattern: an escape, a class, the opening of a group, a counted repetition, or a character. */
const PIECES = /\\(?:k<[^>]*>|[pPu]\{[^}]*\}|.)|\[(?:\\.|[^\]\\])*\]|\(\?(?:<?[=!]|<[^>]*>|:)|\{(\d+)(,?)(\d*)\}|[^]/gu;

function repeatsLittle(source: string): boolean {
  let unbounded = 0;
  let counted = 0;
  let previous = "";
  for (const [piece, from, comma, to] of source.matchAll(PIECES)) {
    if (/^\\(?:[1-9]|k)/.test(piece) || /^\(\?(?:<?[=!]|<)/.test(piece)) return false;
    const repeats = piece === "*" || piece === "+" || from !== undefined;
    if (repeats && previous === ")") return false;
    if (piece === "*" || piece === "+" || (comma === "," && to === "")) unbounded++;
    if (from !== undefined) counted++;
    if (Number(from ?? 0) > MAX_COUNT || Number(to ?? 0) > MAX_COUNT) return false;
    previous = piece;
  }
  return unbounded <= MAX_UNBOUNDED_REPETITIONS && counted <= MAX_COUNTED_REPETITIONS;
}
