/** What is checked of a token, in this order. */
export const TOKEN_STEPS = [
  "parse",
  "issuer",
  "key",
  "signature",
  "times",
  "audience",
  "party",
  "required claims",
  "tenant",
  "subject",
  "scopes",
] as const;

export type TokenStep = (typeof TOKEN_STEPS)[number];
