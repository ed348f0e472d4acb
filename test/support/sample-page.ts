import type { Plugin } from "esbuild";
import { ROOT } from "../../src/cli/paths.ts";
import type { Fence } from "./markdown.ts";

/** Where the samples of the README send their requests. */
const README_ENDPOINT = '"http://127.0.0.1:8787/v1/demo/uploads"';

/**
 * The module `docs-samples`: samples of the documentation by label, as functions of what they leave to the reader. Each returns
 * what it declares.
 *
 * @param helper path of `sluice.js`, which the samples import from their own folder
 */
export function samplesPlugin(samples: readonly Fence[], helper: string): Plugin {
  return {
    name: "docs-samples",
    setup(build) {
      build.onResolve({ filter: /^docs-samples/ }, ({ path }) => ({ path, namespace: "samples" }));
      build.onResolve({ filter: /^\.\/sluice\.js$/, namespace: "samples" }, () => ({ path: helper }));
      build.onLoad({ filter: /.*/, namespace: "samples" }, ({ path }) => {
        const sample = samples.find(({ label }) => path === `docs-samples/${label}`);
        return { contents: sample ? moduleOf(sample) : index(samples), resolveDir: ROOT };
      });
    },
  };
}

function index(samples: readonly Fence[]): string {
  return [
    ...samples.map(({ label }, index) => `import sample${index} from "docs-samples/${label}";`),
    `globalThis.samples = { ${samples.map(({ label }, index) => `"${label}": sample${index}`).join(", ")} };`,
  ].join("\n");
}

function moduleOf({ text }: Fence): string {
  const isImport = (line: string) => line.startsWith("import ");
  const lines = text.replaceAll(README_ENDPOINT, "endpoint").split("\n");
  const declared = [...text.matchAll(/^(?:async )?(?:function|const|let) (\w+)/gm)].map(([, name]) => name);
  return `${lines.filter(isImport).join("\n")}
    export default async ({ file, endpoint, getGrant }) => {
      ${lines.filter((line) => !isImport(line)).join("\n")}
      return { ${declared.join(", ")} };
    };`;
}
