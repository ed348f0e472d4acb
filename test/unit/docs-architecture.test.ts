import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ROOT } from "../../src/cli/paths.ts";
import { PAGES, readPage } from "../support/docs-pages.ts";
import { proseOf, tableRows } from "../support/markdown.ts";

/** `` `src/index.ts:fetch` ``: a function, method or class, or a field that holds a function. */
const STEP = /`((?:src|test)\/[\w./-]+\.ts):(#?\w+)`/g;

const steps = [...readPage("docs/architecture.md").text.matchAll(STEP)].map(([, path = "", name = ""]) => ({
  path,
  name,
}));

/** Declared there, not only mentioned: `function f`, `class C`, `const f =`, a method `f(…) {` or a property `f: (…) =>`. */
function declares(source: string, name: string): boolean {
  return new RegExp(
    `\\b(?:function\\*?|class|const|interface) ${name}\\b|^ +(?:override |async |get |static )*${name}(?:<[^(]*>)?\\(.*[{,(]$|^ +${name}(?:\\(|: \\(|: async |: \\w+ =>|: \\w+\\()`,
    "m",
  ).test(source);
}

describe("docs/architecture.md", () => {
  it("names functions that exist", () => {
    expect(steps.length).toBeGreaterThan(50);
    const missing = steps.filter(
      ({ path, name }) => !existsSync(join(ROOT, path)) || !declares(readFileSync(join(ROOT, path), "utf8"), name),
    );
    expect(missing).toEqual([]);
  });
});

describe("documentation", () => {
  it("names files and folders that exist", () => {
    const paths = PAGES.flatMap((page) =>
      [...proseOf(page).matchAll(/`((?:src|test|docs|\.ci|\.github)\/[\w./-]*)`/g)].map(([, path = ""]) => ({
        page: page.path,
        path,
      })),
    );
    expect(paths.length).toBeGreaterThan(15);
    expect(paths.filter(({ path }) => !existsSync(join(ROOT, path)))).toEqual([]);
  });
});

describe("CONTRIBUTING.md", () => {
  const contributing = readPage("CONTRIBUTING.md");
  const names = (cell = "") => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name);

  it("has a row for every folder and file of src, and for no other", () => {
    const rows = tableRows(contributing, "folder", "what is in it", "may import, inside `src`");
    const documented = new Set(rows.flatMap(([folder]) => names(folder)).map((path) => path.replace(/\/.*/, "")));
    const entries = readdirSync(join(ROOT, "src")).filter((entry) => entry !== "bindings.d.ts");
    expect([...documented].toSorted()).toEqual(entries.toSorted());
  });

  it("names the capabilities of the core", () => {
    const capabilities = readdirSync(join(ROOT, "src", "core"), { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && !["shared", "ports"].includes(entry.name))
      .map(({ name }) => name);
    const sentence = /The same names recur everywhere: ([^.]*)\./.exec(contributing.text)?.[1];
    expect(names(sentence).toSorted()).toEqual(capabilities.toSorted());
  });

  it("has a row for every folder of tests", () => {
    const rows = tableRows(contributing, "folder", "kind", "runs in");
    const folders = readdirSync(join(ROOT, "test"), { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && entry.name !== "support")
      .map(({ name }) => `test/${name}`);
    expect(rows.flatMap(([folder]) => names(folder)).toSorted()).toEqual(folders.toSorted());
  });
});
