/** Long enough for an identifier or a project code; a pattern is not a parser. */
const MAX_PATTERN_CHARACTERS = 200;
/** Of a value that is held against a pattern; a longer one does not match. */
const MAX_MATCHED_CHARACTERS = 200;
/** Ways to match that a backtracking engine may have to try: two unbounded repetitions and a choice; about 20 ms. */
const MAX_WAYS = 100_000;
/** Of a counted repetition, `{0,100}`: each is expanded. */
const MAX_COUNT = 100;

/** A test for values that takes a bounded time whatever the value. */
export type Pattern = (value: string) => boolean;

/**
 * Compiles the `pattern` verb: a regular expression that has to match the whole value. Undefined where it is not one, or
 * where matching could take long: tenants may write policies into grants, and a backtracking `(a+)+$` or `(a|a)(a|a)…`
 * of one would hold up the requests of all. So a repetition stands behind a single character or class, never behind a
 * group; the choices that it and all others leave are counted; look-around and back-references are left out.
 */
export function compilePattern(source: string): Pattern | undefined {
  if (source.length > MAX_PATTERN_CHARACTERS || countWays(source) > MAX_WAYS) return undefined;
  try {
    const expression = new RegExp(`^(?:${source})$`, "u");
    return (value) => value.length <= MAX_MATCHED_CHARACTERS && expression.test(value);
  } catch {
    return undefined;
  }
}

/** One piece of a pattern: an escape, a class, the opening of a group, a counted repetition, or a character. */
const PIECES =
  /\\(?:k<[^>]*>|[pPu]\{[^}]*\}|.)|\[(?:\\.|[^\]\\])*\]|\(\?(?:<?[=!]|<[^>]*>|[a-z-]*:)|\{(\d+)(,?)(\d*)\}|[^]/gu;

/** In how many ways the pieces may be tried at most: alternatives add up, what follows one another multiplies. */
function countWays(source: string): number {
  const outer: { readonly alternatives: number; readonly sequence: number }[] = [];
  let alternatives = 0;
  let sequence = 1;
  /** Of the last piece, which a repetition may still change. */
  let last = 1;
  let previous = "";
  for (const [piece, from, comma, to] of source.matchAll(PIECES)) {
    if (/^\\(?:[1-9]|k)/.test(piece) || /^\(\?(?:<?[=!]|<)/.test(piece)) return Infinity;
    const repeats = piece === "*" || piece === "+" || from !== undefined;
    if (repeats && previous === ")") return Infinity;
    if (Number(from ?? 0) > MAX_COUNT || Number(to ?? 0) > MAX_COUNT) return Infinity;
    if (from !== undefined && to) last = Number(to) - Number(from) + 1;
    else if (repeats && (from === undefined || comma)) last = MAX_MATCHED_CHARACTERS;
    else if (piece === "?") last += previous === REPETITION ? 0 : 1;
    else if (piece === ")") {
      const around = outer.pop();
      if (!around) return Infinity;
      last *= sequence;
      last += alternatives;
      ({ alternatives, sequence } = around);
    } else {
      sequence *= last;
      last = 1;
      if (piece.startsWith("(")) outer.push({ alternatives, sequence });
      if (piece === "|") alternatives += sequence;
      if (piece === "|" || piece.startsWith("(")) sequence = 1;
      if (piece.startsWith("(")) alternatives = 0;
    }
    // A "?" behind a repetition makes it lazy.
    previous = repeats || piece === "?" ? REPETITION : piece;
  }
  return alternatives + sequence * last;
}

const REPETITION = "repetition";
