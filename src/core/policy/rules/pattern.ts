/** Long enough for an identifier or a project code. */
const MAX_PATTERN_CHARACTERS = 200;
/** Length of a value; a longer one does not match. */
const MAX_MATCHED_CHARACTERS = 200;
/** Ways to match that a backtracking engine may have to try, about 20 ms: two unbounded repetitions and a choice. */
const MAX_WAYS = 100_000;
/** Bounds of a counted repetition such as `{0,100}`: engines expand it. */
const MAX_COUNT = 100;

/** Tests a value, in a bounded time whatever the value. */
export type Pattern = (value: string) => boolean;

/**
 * Compiles the `pattern` verb: a regular expression that must match the whole value. It is read in NFC, as the texts are that it
 * has to match; as it is written only if that is no expression: in NFC, an escape before a mark may be one of an accented letter.
 *
 * Tenants write policies into grants, and one backtracking `(a+)+$` or `(a|a)(a|a)…` would delay the requests of all
 * tenants. So a repetition may follow a single character or class, never a group; the total number of choices is bounded;
 * look-around and back-references are not supported.
 *
 * @returns `undefined` if `source` is not such an expression, or if matching could take long
 */
export function compilePattern(source: string): Pattern | undefined {
  return source.length > MAX_PATTERN_CHARACTERS
    ? undefined
    : (compileAsWritten(source.normalize()) ?? compileAsWritten(source));
}

/** Compiles a pattern as version 0.1 did, which did not normalise. */
export function compileAsWritten(source: string): Pattern | undefined {
  if (countWays(source) > MAX_WAYS) return undefined;
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

/** The most ways in which a pattern can be tried: alternatives add up, pieces in sequence multiply. */
function countWays(source: string): number {
  const outer: { readonly alternatives: number; readonly sequence: number }[] = [];
  let alternatives = 0;
  let sequence = 1;
  /** Ways of the last piece; a repetition after it may still change them. */
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
    // A "?" after a repetition makes it lazy.
    previous = repeats || piece === "?" ? REPETITION : piece;
  }
  return alternatives + sequence * last;
}

const REPETITION = "repetition";
