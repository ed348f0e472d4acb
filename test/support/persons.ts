import fc from "fast-check";
import type { Person } from "../../src/core/auth/rules/person.ts";

/** Subjects that a look-up could take for `user-1`, or for each other. */
export const LOOK_ALIKES = [
  "user-1",
  "User-1",
  "user-1 ",
  " user-1",
  "user-1\u00a0",
  "user-1\u200b",
  "ｕｓｅｒ-1",
  "user-１",
  "usér-1",
  "use\u0301r-1",
  "user-1%",
  "user_1",
  "user-1|auth0",
  '"user-1"',
  "user-1'--",
] as const;

/** Namespaces and subjects that are alike, or that hold a part of each other. */
export const person: fc.Arbitrary<Person> = fc.record({
  namespace: fc.constantFrom("tenant", "auth0", "auth0-1", "user-1", "entra:1.2_x"),
  subject: fc.oneof(
    fc.constantFrom(...LOOK_ALIKES, "acme", "tenant", "auth0", "user-1\u001fauth0", "user-1\u001f", "\u001fauth0"),
    fc.string({ unit: "grapheme", minLength: 1, maxLength: 70 }),
  ),
});
