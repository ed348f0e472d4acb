import { readFileSync, readdirSync } from "node:fs";
import { expect, it } from "vitest";

const FOLDER = "src/adapters/d1/migrations";

/** D1 itself splits what it is sent into statements, and has been seen to stumble over these in comments. */
it.each(readdirSync(FOLDER))("%s has no quotes and no semicolons in its comments", (file) => {
  const comments = readFileSync(`${FOLDER}/${file}`, "utf8").match(/--.*/g) ?? [];
  expect(comments.filter((comment) => /[;'"`]/.test(comment))).toEqual([]);
});
