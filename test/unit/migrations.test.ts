import { readFileSync, readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";

const FOLDER = "src/adapters/d1/migrations";

describe("the D1 migrations", () => {
  // D1 splits a file into statements itself, and has failed on these characters in comments.
  it.each(readdirSync(FOLDER))("%s has no quotes and no semicolons in its comments", (file) => {
    const comments = readFileSync(`${FOLDER}/${file}`, "utf8").match(/--.*/g) ?? [];
    expect(comments.filter((comment) => /[;'"`]/.test(comment))).toEqual([]);
  });
});
