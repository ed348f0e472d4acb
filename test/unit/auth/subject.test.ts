import { describe, expect, it } from "vitest";
import { isSubject } from "../../../src/core/auth/rules/subject.ts";
import { LOOK_ALIKES } from "../../support/persons.ts";

describe("isSubject", () => {
  it.each([...LOOK_ALIKES, "x".repeat(255), "🎬".repeat(255), "https://idp.example/users/1?a=b", "zoë@example.com"])(
    "accepts %j",
    (text) => {
      expect(isSubject(text)).toBe(true);
    },
  );

  it.each(["", "x".repeat(256), "a\nb", "a\u0000", "\u001f", "\u009f", "\ud800", "a\udc00b"])("refuses %j", (text) => {
    expect(isSubject(text)).toBe(false);
  });
});
