import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it, describe } from "vitest";
import { ROOT } from "../../src/cli/paths.ts";
import { PAGES } from "../support/docs-pages.ts";
import { fencesOf } from "../support/markdown.ts";

/** What the samples leave to the reader. */
const GIVEN = `
declare const file: File;
declare const endpoint: string;
declare const grant: string;
declare function getGrant(file: { readonly name?: string }): Promise<string>;
declare const key: string;
declare const token: string;
declare const url: string;
declare const secret: string;
declare const rawBody: string;
declare const headers: Record<string, string>;
`;

const CONFIG = {
  extends: join(ROOT, "tsconfig.json"),
  compilerOptions: {
    target: "esnext",
    lib: ["esnext", "dom", "dom.iterable"],
    types: [],
    allowJs: true,
    checkJs: true,
    // A sample may show a value without using it.
    noUnusedLocals: false,
    noUnusedParameters: false,
  },
  include: ["."],
  exclude: [],
};

const samples = PAGES.filter(({ path }) => !path.startsWith("src/")).flatMap((page) =>
  fencesOf(page).filter(({ language }) => language === "js" || language === "ts"),
);

describe("JavaScript samples", () => {
  it("compile against the libraries that they import", async () => {
    expect(samples.length).toBeGreaterThanOrEqual(5);
    // Within the repository, so that imports find its packages.
    const parent = join(ROOT, ".wrangler");
    await mkdir(parent, { recursive: true });
    const folder = await mkdtemp(join(parent, "samples-"));
    try {
      await writeFile(join(folder, "tsconfig.json"), JSON.stringify(CONFIG));
      await writeFile(join(folder, "given.d.ts"), GIVEN);
      // What `npm run build:browser` writes, and readers copy.
      await writeFile(join(folder, "sluice.ts"), `export * from "${join(ROOT, "src/browser/sluice.ts")}";`);
      await Promise.all(
        samples.map(({ page, language, text }, index) =>
          writeFile(join(folder, `${page.replaceAll(/\W/g, "-")}-${index}.${language}`), text),
        ),
      );
      const tsc = join(ROOT, "node_modules", "typescript", "bin", "tsc");
      const faults = await promisify(execFile)(process.execPath, [tsc, "-p", folder]).catch(
        (error: { stdout: string }) => error,
      );
      expect(faults.stdout).toBe("");
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }, 60_000);
});
