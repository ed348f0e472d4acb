import type { D1Migration } from "cloudflare:test";

declare global {
  namespace Cloudflare {
    interface Env {
      /** Read when the tests start, since workerd has no file system. */
      TEST_MIGRATIONS: D1Migration[];
    }
  }
}
