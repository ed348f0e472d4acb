import { execFile } from "node:child_process";
import { cp, mkdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, it } from "vitest";
import { ROOT } from "../../src/cli/paths.ts";
import { tmpFolder } from "../support/files.ts";

/** The linter and the compiler refuse violations of the architecture that are planted in a tree of their own. */

/** A file of each folder, to import. */
const TARGETS = {
  rules: "core/policy/rules/policy.ts",
  shared: "core/shared/result.ts",
  port: "core/ports/budget.ts",
  useCase: "core/uploads/create-upload.ts",
  platform: "platform/bounded-map.ts",
  browser: "browser/sluice.ts",
  adapter: "adapters/d1/database.ts",
  ledgerRpc: "adapters/durable-objects/ledger-rpc.ts",
  object: "durable-objects/upstream-budget.ts",
  http: "http/pipeline/problem-response.ts",
  queue: "queues/deliveries.ts",
  config: "config.ts",
  dependencies: "dependencies.ts",
  app: "app.ts",
  index: "index.ts",
  cli: "cli/paths.ts",
  localStream: "local-stream/server.ts",
  test: "../test/support/http.ts",
} as const;

type Target = keyof typeof TARGETS;

const CORE: readonly Target[] = ["rules", "shared", "port", "useCase"];

/** For a file of each row of the table of allowed imports: what it may import, and of what it may import types only. */
const ROWS: Readonly<Record<string, { readonly all: readonly Target[]; readonly types?: readonly Target[] }>> = {
  "core/uploads/rules/planted.ts": { all: ["rules", "shared"] },
  "core/shared/planted.ts": { all: ["rules", "shared"] },
  "core/uploads/planted.ts": { all: CORE },
  "core/ports/planted.ts": { all: ["rules", "shared", "port"] },
  "platform/planted.ts": { all: ["platform"] },
  "browser/planted.ts": { all: ["browser"] },
  "config.ts": { all: CORE },
  "adapters/d1/planted.ts": { all: [...CORE, "platform", "adapter", "ledgerRpc"], types: ["config"] },
  "dependencies.ts": { all: [...CORE, "adapter", "ledgerRpc", "config"] },
  "durable-objects/tenant-ledger/planted.ts": {
    all: [...CORE, "platform", "object", "config", "dependencies"],
    types: ["ledgerRpc"],
  },
  "http/routes/admin/planted.ts": { all: [...CORE, "platform", "http"], types: ["config"] },
  "app.ts": { all: [...CORE, "platform", "http"], types: ["config", "dependencies"] },
  "queues/planted.ts": { all: [...CORE, "queue"] },
  "index.ts": {
    all: [...CORE, "platform", "adapter", "ledgerRpc", "object", "http", "queue", "config", "dependencies", "app"],
  },
  "local-stream/planted.ts": { all: [...CORE, "platform", "localStream"] },
  "cli/planted.ts": { all: [...CORE, "platform", "adapter", "ledgerRpc", "config", "cli", "localStream"] },
  "new-folder/planted.ts": { all: [] },
};

/** Files, most of them of the core, and lines that end with `// refused` where the linter must refuse them. */
const FILES: Readonly<Record<string, string>> = {
  "core/uploads/rules/forms.ts": `
    import { x } from "./../create-upload.ts"; // refused
    import { type y } from "../../ports/budget.ts"; // refused
    export * from "../../../http/pipeline/problem-response.ts"; // refused
    export { z } from "../../../platform/bounded-map.ts"; // refused
    export type A = typeof import("../../../config.ts"); // refused
    export const b = () => import("../../../app.ts"); // refused
  `,
  "core/uploads/packages.ts": `
    import * as v from "valibot";
    import { Hono } from "hono"; // refused
    import { decodeJwt } from "jose/jwt/decode"; // refused
    import { v7 } from "uuid"; // refused
    import { readFile } from "node:fs/promises"; // refused
    import { env } from "cloudflare:workers"; // refused
  `,
  "browser/packages.ts": `
    import { Upload } from "tus-js-client";
    import Uppy from "@uppy/core"; // refused
    import * as v from "valibot"; // refused
    import { readFile } from "node:fs/promises"; // refused
  `,
  "core/uploads/platform.ts": `
    export const a = Date.now(); // refused
    export const b = new Date(0); // refused
    export const c = Math.random(); // refused
    export const { random } = Math; // refused
    export const d = crypto.randomUUID(); // refused
    export const e = performance.now(); // refused
    export const f = globalThis.Date.now(); // refused
    export const g = new Intl.DateTimeFormat().format(); // refused
    export const h = Math.floor(1.5);
  `,
  "adapters/d1/fetch.ts": `
    export const a = fetch("https://10.0.0.1/"); // refused
    export const b = (url: string) => fetch(url); // refused
  `,
  "core/shared/time.ts": `
    export const a = [new Date(0), Date.parse("2026-11-22"), Date.UTC(2026, 0)];
    export const now = Date.now(); // refused
    export const today = new Date(); // refused
    export const clock = Date; // refused
    export const b = performance.now(); // refused
    export const c = crypto.randomUUID(); // refused
  `,
  "core/policy/rules/asynchronous.ts": `
    export async function a() {} // refused
    export const b = async () => {}; // refused
    export const c = { async d() {} }; // refused
    export type E = Promise<string>; // refused
    export const f = (g: PromiseLike<string>) => g; // refused
    export const h = Promise.resolve(); // refused
    export const i = () => import("./other.ts"); // refused
    export type J = AsyncIterable<string>; // refused
    export type K = Awaited<string>; // refused
  `,
  "core/uploads/escapes.ts": `
    /// <reference types="node" /> // refused
    declare const crypto: { randomUUID(): string }; // refused
    declare function fetch(): void; // refused
    // @ts-expect-error // refused
    export const a = console; // refused
    export const b = new Function("return Date.now()")(); // refused
    export const c = Reflect.get(Math, "random"); // refused
    export const d = (name: string) => import(name); // refused
    export const e = () => import(\`hono\`); // refused
  `,
  "core/policy/asynchronous.ts": "export async function a(): Promise<void> {}",
  "core/quota/cycle-a.ts": `
    import type { B } from "./cycle-b.ts"; // refused
    export type A = B | string;
  `,
  "core/quota/cycle-b.ts": `
    import type { A } from "./cycle-a.ts"; // refused
    export type B = A[];
  `,
};

/** The lint rules that hold the architecture. */
const LINT_RULES: ReadonlySet<string> = new Set([
  "walls(allowed-imports)",
  "walls(no-clock)",
  "walls(no-ambient)",
  "eslint(no-new-func)",
  "typescript(ban-ts-comment)",
  "typescript-eslint(ban-ts-comment)",
  "typescript(triple-slash-reference)",
  "typescript-eslint(triple-slash-reference)",
  "walls(synchronous)",
  "import(no-cycle)",
  "eslint(no-restricted-globals)",
  "eslint(no-restricted-properties)",
]);

/** The tools take a second or two each, more on a busy machine. */
const TIMEOUT_MS = 60_000;

const folder = tmpFolder();
let refusals: readonly Refusal[];

/** Imports of a row's file: a value on the odd lines, a type on the even lines. */
const importsOf = (file: string) =>
  Object.values(TARGETS).flatMap((target) => {
    const path = relative(dirname(file), target);
    const specifier = path.startsWith(".") ? path : `./${path}`;
    return [`import "${specifier}";`, `import type {} from "${specifier}";`];
  });

async function plant(root: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [file, text] of Object.entries(files)) {
    const path = join(root, "src", file);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  }
}

/** Runs a tool of `node_modules` and returns what it prints, whether it succeeds or not. */
async function run(tool: string, args: readonly string[], cwd: string): Promise<string> {
  const options = { cwd, maxBuffer: 10_000_000 };
  const path = join(ROOT, "node_modules", tool);
  const ended = promisify(execFile)(process.execPath, [path, ...args], options);
  return (await ended.catch((error: { stdout: string }) => error)).stdout;
}

interface LintReport {
  readonly diagnostics: readonly {
    readonly code: string;
    readonly filename: string;
    readonly labels: readonly { readonly span: { readonly line: number } }[];
  }[];
}

interface Refusal {
  readonly rule: string;
  /** Path in `src`. */
  readonly file: string;
  readonly line: number;
}

async function lint(cwd: string): Promise<Refusal[]> {
  const { diagnostics } = JSON.parse(await run("oxlint/bin/oxlint", ["--format", "json", "src"], cwd)) as LintReport;
  return diagnostics
    .filter(({ code }) => LINT_RULES.has(code))
    .map(({ code, filename, labels }) => ({
      rule: code,
      file: relative("src", filename),
      line: labels[0]?.span.line ?? 0,
    }));
}

const linesOf = (refused: readonly Refusal[]) =>
  [...new Set(refused.map(({ line }) => line))].toSorted((a, b) => a - b);

describe("oxlint", { timeout: TIMEOUT_MS }, () => {
  beforeAll(async () => {
    const root = join(folder, "lint");
    await plant(root, FILES);
    await plant(root, Object.fromEntries(Object.keys(ROWS).map((file) => [file, importsOf(file).join("\n")])));
    for (const file of [".oxlintrc.json", ".oxlint"]) await cp(join(ROOT, file), join(root, file), { recursive: true });
    refusals = await lint(root);
  }, TIMEOUT_MS);

  it.each(Object.entries(ROWS))(
    "refuses every import of %s that the table does not allow",
    (file, { all, types = [] }) => {
      const lines = Object.keys(TARGETS).flatMap((name, index) => {
        const target = name as Target;
        const isTypeAllowed = all.includes(target) || types.includes(target);
        return [...(all.includes(target) ? [] : [2 * index + 1]), ...(isTypeAllowed ? [] : [2 * index + 2])];
      });
      // Cycles that these imports close do not count.
      const imports = refusals.filter((refusal) => refusal.file === file && refusal.rule === "walls(allowed-imports)");
      expect(linesOf(imports)).toEqual(lines);
    },
  );

  it.each(Object.entries(FILES))("refuses the marked lines of %s only", (file, text) => {
    const marked = text.split("\n").flatMap((line, index) => (line.endsWith("// refused") ? [index + 1] : []));
    expect(linesOf(refusals.filter((refusal) => refusal.file === file))).toEqual(marked);
  });

  it("accepts the sources", async () => {
    expect(await lint(ROOT)).toEqual([]);
  });
});

describe("tsc -p src/core", { timeout: TIMEOUT_MS }, () => {
  async function compile(name: string, files: Readonly<Record<string, string>>): Promise<string[]> {
    const root = join(folder, name);
    await cp(join(ROOT, "src", "core"), join(root, "src", "core"), { recursive: true });
    await cp(join(ROOT, "tsconfig.json"), join(root, "tsconfig.json"));
    await symlink(join(ROOT, "node_modules"), join(root, "node_modules"));
    await plant(root, files);
    const output = await run("typescript/bin/tsc", ["-p", "src/core", "--pretty", "false"], root);
    return output.split("\n").filter((line) => line.includes("error TS"));
  }

  it("accepts the core, and refuses an import from outside it", async () => {
    const errors = await compile("outside", {
      "outside.ts": "export const a = 1;",
      "core/uploads/planted.ts": 'export { a } from "../../outside.ts";',
    });
    expect(errors).toEqual([expect.stringMatching(/^src\/core\/uploads\/planted\.ts.*TS6059/)]);
  });

  it("accepts the core, and refuses what belongs to a platform", async () => {
    const names = ["fetch", "crypto", "console", "process", "Buffer", "setTimeout", "performance", "Request", "caches"];
    const text = names.map((name) => `export const ${name}_ = ${name};`).join("\n");
    const errors = await compile("platform", { "core/uploads/planted.ts": text });
    expect(errors).toEqual(
      names.map((name, index) => expect.stringMatching(new RegExp(`planted\\.ts\\(${index + 1},.*TS2\\d+.*'${name}'`))),
    );
  });
});
