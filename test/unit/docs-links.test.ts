import { existsSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { describe, expect, it } from "vitest";
import { ROOT } from "../../src/cli/paths.ts";
import { PAGES, readPage } from "../support/docs-pages.ts";
import { anchorsOf, proseOf } from "../support/markdown.ts";

const MAX_README_LINES = 160;
const LINK = /\]\(([^)\s]+)\)/g;

/** Links to files of the repository, from its root, with their anchors. */
const links = PAGES.flatMap((page) =>
  [...proseOf(page).matchAll(LINK)]
    .map(([, target = ""]) => target)
    .filter((target) => !/^\w+:/.test(target))
    .map((target) => {
      const [file = "", anchor] = target.split("#");
      const path = file === "" ? page.path : relative(ROOT, join(ROOT, dirname(page.path), file));
      return { from: page.path, path, anchor };
    }),
);

describe("documentation", () => {
  it("links to files that exist", () => {
    expect(links.length).toBeGreaterThan(30);
    expect(links.filter(({ path }) => !existsSync(join(ROOT, path)))).toEqual([]);
  });

  it("links to headings that exist", () => {
    const broken = links.filter(({ path, anchor }) => anchor !== undefined && !anchorsOf(readPage(path)).has(anchor));
    expect(broken).toEqual([]);
  });

  it("has no page in docs that the README does not link", () => {
    const linked = new Set(links.filter(({ from }) => from === "README.md").map(({ path }) => path));
    const pages = PAGES.map(({ path }) => path).filter((path) => path.startsWith("docs/"));
    expect(pages.filter((path) => !linked.has(path))).toEqual([]);
  });
});

describe("README.md and CONTRIBUTING.md", () => {
  const { engines, devDependencies } = JSON.parse(readPage("package.json").text) as {
    engines: { node: string };
    devDependencies: { node: string };
  };

  it("ask for the Node version that package.json asks for", () => {
    const least = /^>=(\d+(?:\.\d+)*)$/.exec(engines.node)?.[1];
    expect(readPage("README.md").text).toContain(`Node ${least} or newer`);
    expect(readPage("CONTRIBUTING.md").text).toContain(`${least} or newer`);
  });

  it("have a .node-version that is the pinned Node", () => {
    expect(readPage(".node-version").text.trim()).toBe(devDependencies.node);
  });
});

describe("README.md", () => {
  it(`has at most ${MAX_README_LINES} lines`, () => {
    expect(readPage("README.md").text.trimEnd().split("\n").length).toBeLessThanOrEqual(MAX_README_LINES);
  });
});
