import { createServer } from "node:http";
import { join } from "node:path";
import sparticuz from "@sparticuz/chromium";
import { build } from "esbuild";
import { type Page, chromium } from "playwright-core";
import type { PageActions } from "../system/browser-page/wire.ts";

/** A real Chromium, and a web page that uploads from it. */
export interface Browser {
  /** Of the page; the gateway is another one to it. */
  readonly origin: string;
  /** Opens the page in a profile of its own. */
  open(): Promise<BrowserPage>;
  stop(): Promise<void>;
}

export interface BrowserPage {
  choose(path: string): Promise<void>;
  act<Action extends keyof PageActions>(
    action: Action,
    ...args: Parameters<PageActions[Action]>
  ): ReturnType<PageActions[Action]>;
  reload(): Promise<void>;
}

export async function startBrowser(): Promise<Browser> {
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, "../system/browser-page/page.ts")],
    bundle: true,
    format: "esm",
    write: false,
    logLevel: "error",
  });
  const script = outputFiles[0]?.text ?? "";
  const server = createServer((request, response) => {
    const isScript = request.url === "/page.js";
    response.setHeader("Content-Type", isScript ? "text/javascript" : "text/html");
    response.end(
      isScript ? script : `<!doctype html><input type="file"><script type="module" src="/page.js"></script>`,
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const origin = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;

  const chrome = await chromium.launch({
    // The npm package's Chromium runs on Linux; elsewhere it is the Chrome that is installed. None of the package's own
    // arguments: some of them switch CORS off.
    ...(process.platform === "linux" ? { executablePath: await sparticuz.executablePath() } : { channel: "chrome" }),
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
    },
  };
}

function pageOf(page: Page): BrowserPage {
  return {
    choose: (path) => page.setInputFiles("input", path),
    act: ((action: keyof PageActions, ...args: unknown[]) =>
      page.evaluate(
        ({ action, args }) =>
          (globalThis as unknown as Record<string, (...args: unknown[]) => unknown>)[action]?.(...args),
        { action, args },
      )) as BrowserPage["act"],
    reload: async () => void (await page.reload()),
  };
}
