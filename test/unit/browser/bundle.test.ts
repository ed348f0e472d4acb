import { execFile } from "node:child_process";
import { readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { beforeAll, describe, expect, it } from "vitest";
import { bundleBrowser } from "../../../src/cli/bundle-browser.ts";
import { ROOT } from "../../../src/cli/paths.ts";
import { tmpFolder } from "../../support/files.ts";

/** A limit of this project: a page loads it before it can upload. */
const MAX_BYTES = 3 * 1024;

/** A module of a project that has copied both files. */
const CONSUMER = `
import Uppy from "@uppy/core";
import Tus from "@uppy/tus";
import { type UploadState, UploadError, createUploader, uploadErrorOf, uppyTusOptions } from "./sluice.js";

const getGrant = async (file: { readonly name?: string }) => file.name ?? "";
const upload = createUploader({ endpoint: "/v1/demo/uploads", getGrant }).upload(new File([], "cats.mp4"), {
  onState: (state: UploadState) => state.name === "waiting" && state.error.retryAfterSeconds,
});
export const id: Promise<string> = upload.done.then((file) => file.id);
export const uppy = new Uppy().use(Tus, uppyTusOptions({ endpoint: "/v1/demo/uploads", getGrant }));
export const code: string = uploadErrorOf(new Error("x")) instanceof UploadError ? "x" : "y";
// @ts-expect-error: the upload has no such method
upload.stop();
`;

const CONFIG = {
  extends: join(ROOT, "tsconfig.json"),
  compilerOptions: {
    lib: ["es2022", "dom", "dom.iterable"],
    types: [],
    allowImportingTsExtensions: false,
    exactOptionalPropertyTypes: false,
  },
  files: ["consumer.ts"],
  include: [],
  exclude: [],
};

describe("sluice/browser", { timeout: 60_000 }, () => {
  const folder = tmpFolder();
  beforeAll(() => bundleBrowser(folder), 60_000);

  it("has at most 3 KiB when gzipped, and imports nothing but tus-js-client", async () => {
    const script = await readFile(join(folder, "sluice.js"), "utf8");
    expect(gzipSync(script).byteLength).toBeLessThanOrEqual(MAX_BYTES);
    expect([...script.matchAll(/from"([^"]+)"/g)].map(([, name]) => name)).toEqual(["tus-js-client"]);
  });

  it("has types of its own", async () => {
    await symlink(join(ROOT, "node_modules"), join(folder, "node_modules"));
    await writeFile(join(folder, "consumer.ts"), CONSUMER);
    await writeFile(join(folder, "tsconfig.json"), JSON.stringify(CONFIG));
    const tsc = join(ROOT, "node_modules", "typescript", "bin", "tsc");
    const result = await promisify(execFile)(process.execPath, [tsc, "-p", folder]).catch(
      (error: { stdout: string }) => error,
    );
    expect(result.stdout).toBe("");
  });
});
