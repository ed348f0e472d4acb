/**
 * Control characters (C0, DEL, C1), and the marks that embed or override the direction of text: with them, a name in a list or
 * a terminal looks like another one.
 */
const CONTROLS = /[\p{Cc}\u202a-\u202e]/gu;

/** The same without tab and line feed: custom keys hold texts of several lines. */
const CONTROLS_BUT_LINES = /[[\p{Cc}\u202a-\u202e]--[\t\n]]/gv;

/**
 * 30 combining marks with another one behind them. "Stream-Safe Text Format" has a joiner there: to sort more marks takes
 * quadratic time, a tenth of a second for the longest header. https://www.unicode.org/reports/tr15/#Stream_Safe_Text_Format
 */
const MARKS = /[\p{M}--\u034f]{30}(?=[\p{M}--\u034f])/gv;

/** The text of a `name`, as it is checked and sent: without control characters, and in NFC, since macOS sends names in NFD. */
export function normalizeName(text: string): string {
  return normalize(text.replace(CONTROLS, ""));
}

/** The text of a custom key, as it is checked and sent. */
export function normalizeCustomText(text: string): string {
  return normalize(text.replace(CONTROLS_BUT_LINES, ""));
}

function normalize(text: string): string {
  return text.replace(MARKS, "$&\u034f").normalize();
}
