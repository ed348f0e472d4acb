import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import { type Page, type Route, chromium } from "playwright-core";
import { bundleBrowserScript } from "../../src/cli/bundle-browser.ts";
import { ROOT } from "../../src/cli/paths.ts";
import type { Fence } from "./markdown.ts";
import { samplesPlugin } from "./sample-page.ts";
import type { PageActions } from "../system/browser-page/wire.ts";

/** Chromium, and a web page that uploads files. */
export interface Browser {
  /** The page's origin, which is not the gateway's. */
  readonly origin: string;
  /** Opens the page in a new profile. */
  open(): Promise<BrowserPage>;
  stop(): Promise<void>;
}

export interface BrowserPage {
  choose(...paths: string[]): Promise<void>;
  /** Makes a function of the test a global function of the page. */
  expose(name: string, call: (...args: never[]) => unknown): Promise<void>;
  act<Action extends keyof PageActions>(
    action: Action,
    ...args: Parameters<PageActions[Action]>
  ): ReturnType<PageActions[Action]>;
  /** Evaluates an expression in the page. */
  evaluate(expression: string): Promise<unknown>;
  /** Answers the page's requests to this path of its own origin. */
  answer(path: string, body: () => Promise<string>): Promise<void>;
  /** Loses the response to the page's next request to the URL, on its way to the page. */
  loseResponse(url: string): Promise<void>;
  /** Answers the page's requests to the URL, preflights excepted, in place of the server. @returns their number so far */
  refuse(url: string, status: number | "none"): Promise<() => number>;
  setOffline(isOffline: boolean): Promise<void>;
  reload(): Promise<void>;
  /** Opens another page in place of this one. */
  visit(url: string): Promise<void>;
  /** Sends bytes as slowly as a home connection would. */
  limitUploads(bytesPerSecond: number): Promise<void>;
}

/** @param samples of the documentation, which the page can run */
export async function startBrowser(samples: readonly Fence[] = []): Promise<Browser> {
  const helper = await mkdtemp(join(tmpdir(), "sluice-browser-"));
  await bundleBrowserScript(helper);
  const { outputFiles } = await build({
    stdin: {
      contents: `import "./page.ts"; import "docs-samples";`,
      resolveDir: join(import.meta.dirname, "../system/browser-page"),
    },
    bundle: true,
    format: "esm",
    alias: { "sluice/browser": join(helper, "sluice.js") },
    nodePaths: [join(ROOT, "node_modules")],
    plugins: [samplesPlugin(samples, join(helper, "sluice.js"))],
    write: false,
    logLevel: "error",
  });
  const script = outputFiles[0]?.text ?? "";
  const server = createServer((request, response) => {
    const isScript = request.url === "/page.js";
    response.setHeader("Content-Type", isScript ? "text/javascript" : "text/html");
    response.end(
      isScript ? script : `<!doctype html><input type="file" multiple><script type="module" src="/page.js"></script>`,
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const origin = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;

  const chrome = await chromium.launch({
    // The package's Chromium runs on Linux; other systems use the installed Chrome. The package's arguments are not used,
    // since some of them turn CORS off.
    ...(process.platform === "linux" ? { executablePath: await extractChromium() } : { channel: "chrome" }),
    args: ["--no-sandbox", "--disable-gpu"],
  });

  return {
    origin,
    async open() {
      const context = await chrome.newContext();
      const page = await context.newPage();
      await page.goto(origin);
      return pageOf(page);
    },
    async stop() {
      await chrome.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await rm(helper, { recursive: true, force: true });
    },
  };
}

/**
 * Extracts the package's Chromium once per installed version.
 * @returns the path of the executable
 */
async function extractChromium(): Promise<string> {
  const { devDependencies } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8")) as {
    devDependencies: Record<string, string>;
  };
  const version = devDependencies["@sparticuz/chromium"];
  const folder = join(ROOT, "node_modules", ".cache", `chromium-${version}`);
  await mkdir(folder, { recursive: true });
  const script = 'import chromium from "@sparticuz/chromium"; console.log(await chromium.executablePath());';
  // A process of its own, since the package extracts to the temporary folder.
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script], {
    cwd: ROOT,
    env: { ...process.env, TMPDIR: folder },
  });
  return stdout.trim();
}

function pageOf(page: Page): BrowserPage {
  return {
    choose: (...paths) => page.setInputFiles("input", paths),
    expose: async (name, call) => void (await page.exposeFunction(name, call)),
    act: ((action: keyof PageActions, ...args: unknown[]) =>
      page.evaluate(
        ({ action, args }) =>
          (globalThis as unknown as Record<string, (...args: unknown[]) => unknown>)[action]?.(...args),
        { action, args },
      )) as BrowserPage["act"],
    evaluate: (expression) => page.evaluate(expression),
    answer: async (path, body) =>
      void (await page.route(`**${path}`, async (route) => route.fulfill({ body: await body() }))),
    async loseResponse(url) {
      const lose = async (route: Route) => {
        await route.fetch();
        await route.abort("connectionreset");
      };
      await page.route(url, lose, { times: 1 });
    },
    async refuse(url, status) {
      let requests = 0;
      await page.unroute(url);
      await page.route(url, (route) => {
        requests++;
        return status === "none"
          ? route.abort("connectionreset")
          : route.fulfill({ status, headers: { "Access-Control-Allow-Origin": "*" } });
      });
      return () => requests;
    },
    setOffline: (isOffline) => page.context().setOffline(isOffline),
    reload: async () => void (await page.reload()),
    visit: async (url) => void (await page.goto(url)),
    async limitUploads(bytesPerSecond) {
      const devTools = await page.context().newCDPSession(page);
      const conditions = { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: bytesPerSecond };
      await devTools.send("Network.enable");
      await devTools.send("Network.emulateNetworkConditions", conditions);
    },
  };
}
