import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { ROOT } from "../../src/cli/root.ts";

describe("npm run upload", () => {
  it.each([
    [join(ROOT, "src"), "is not a file."],
    [join(ROOT, "nothing.mp4"), "Cannot read "],
  ])("says in a line what is wrong with %s", async (path, reason) => {
    const args = [join(ROOT, "src", "cli", "upload.ts"), path, "--key", "k"];
    const failed = (await promisify(execFile)(process.execPath, args).catch((error: unknown) => error)) as object;
    expect(failed).toMatchObject({ code: 1, stderr: expect.stringMatching(new RegExp(`^[^\n]*${reason}[^\n]*\n$`)) });
  });
});
