/** `npm run build:browser`: writes the browser helper to `dist/browser`. */
import { join } from "node:path";
import { bundleBrowser } from "./bundle-browser.ts";
import { ROOT } from "./paths.ts";
import { runMain } from "./run-main.ts";

await runMain(() => bundleBrowser(join(ROOT, "dist", "browser")));
