/** Enough to recognise a value without filling the log line. */
const MAX_QUOTED_CHARACTERS = 80;

/** The message of anything thrown, for the log. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Shortens text of the client for a `detail`. */
export function truncate(text: string, maxCharacters = MAX_QUOTED_CHARACTERS): string {
  return text.length <= maxCharacters ? text : `${text.slice(0, maxCharacters).toWellFormed()}…`;
}

/** Ends the `detail` of a refusal with the client's value; nothing if the client sent none. */
export function quoteRequested(requested: string | undefined): string {
  return requested === undefined ? "" : ` (requested: "${truncate(requested)}")`;
}

/** Longer words are compared by their beginning: the comparison takes quadratic time. */
const MAX_COMPARED_CHARACTERS = 64;
/** Share of two words that they have in common, from which on one may be a misspelling of the other. */
const LIKENESS = 0.6;

/**
 * The known word that `word` was meant to be: the one with the longest subsequence in common. Case, "_" and "-" do not count.
 *
 * @param likeness the least share that they must have in common, of 1
 * @returns `undefined` if none is like it
 */
export function nearestWord(word: string, known: Iterable<string>, likeness = LIKENESS): string | undefined {
  const letters = lettersOf(word);
  let nearest: string | undefined;
  let most = likeness;
  for (const candidate of known) {
    const other = lettersOf(candidate);
    const share = (2 * commonLetters(letters, other)) / (letters.length + other.length);
    if (share >= most) [nearest, most] = [candidate, share];
  }
  return nearest;
}

function lettersOf(word: string): string {
  return word.slice(0, MAX_COMPARED_CHARACTERS).toLowerCase().replaceAll(/[_-]/g, "");
}

/** Length of the longest common subsequence. */
function commonLetters(a: string, b: string): number {
  let row = Array.from(b, () => 0);
  for (const letter of a) {
    let [before, left] = [0, 0];
    row = row.map((above, index) => {
      left = letter === b[index] ? before + 1 : Math.max(above, left);
      before = above;
      return left;
    });
  }
  return row.at(-1) ?? 0;
}
