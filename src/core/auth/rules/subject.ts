/** What OpenID Connect allows at most: its `sub` has up to 255 characters. */
const MAX_SUBJECT_CHARACTERS = 255;

export const SUBJECT_EXPECTED = `must be 1 to ${MAX_SUBJECT_CHARACTERS} characters, without control characters`;

/**
 * Whether a text can be a subject. Counts Unicode code points. Lone surrogates are refused since UTF-8 has none, so that two
 * subjects would be stored as one; control characters, since one of them separates the parts of a person's key.
 */
export function isSubject(text: string): boolean {
  return text !== "" && !/[\p{Cc}\p{Cs}]/u.test(text) && [...text].length <= MAX_SUBJECT_CHARACTERS;
}
