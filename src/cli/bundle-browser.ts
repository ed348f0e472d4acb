import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import { ROOT } from "./paths.ts";

const SOURCE = join(ROOT, "src", "browser");
/** Modules with public types, each after those that it imports. */
const PUBLIC_MODULES = ["upload-error", "options", "upload", "uppy"];

/** Members that modules use among themselves. A shorter name keeps the file below 3 KiB. */
const INTERNAL_MEMBERS = /^(before|after|failed|cancel|claim|save|remove|release|remedy|seconds|store)$/;

/** Writes `sluice.js` and `sluice.d.ts`, each as one file that a project can copy. */
export async function bundleBrowser(folder: string): Promise<void> {
  await bundleBrowserScript(folder);
  await writeFile(join(folder, "sluice.d.ts"), await bundleTypes());
}

/** Writes `sluice.js`. tus-js-client stays an import. */
export async function bundleBrowserScript(folder: string): Promise<void> {
  await build({
    entryPoints: [join(SOURCE, "sluice.ts")],
    outfile: join(folder, "sluice.js"),
    bundle: true,
    format: "esm",
    external: ["tus-js-client"],
    target: "es2022",
    minify: true,
    mangleProps: INTERNAL_MEMBERS,
    logLevel: "error",
  });
}

async function bundleTypes(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "sluice-types-"));
  try {
    const tsc = join(ROOT, "node_modules", "typescript", "bin", "tsc");
    const options = ["--noEmit", "false", "--declaration", "--emitDeclarationOnly", "--stripInternal"];
    await promisify(execFile)(process.execPath, [tsc, "-p", SOURCE, ...options, "--outDir", folder]);
    const modules = await Promise.all(PUBLIC_MODULES.map((name) => readFile(join(folder, `${name}.d.ts`), "utf8")));
    return modules.map((text) => text.replaceAll(/^(import|export) .* from "\.\/.*";\n/gm, "")).join("");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
