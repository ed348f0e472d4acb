import { createApp } from "./app.ts";
import { ConfigError, parseConfig } from "./config.ts";
import { createDependencies } from "./dependencies.ts";
import { overrideMethod } from "./middleware/method-override.ts";

export { TenantLedger } from "./objects/tenant-ledger.ts";
export { UpstreamBudget } from "./objects/upstream-budget.ts";

/** Made by an isolate's first request, since the settings come with it; kept for the isolate's life. */
let app: ReturnType<typeof createApp> | undefined;

export default {
  async fetch(request, env, context) {
    try {
      app ??= createApp(createDependencies(env, parseConfig(env)));
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      console.error(error.message);
      const code = "misconfigured";
      const errors = [{ code: 10500, message: "The gateway is not configured." }];
      const body = {
        type: "about:blank",
        title: "Not configured",
        status: 500,
        code,
        success: false,
        errors,
        messages: [],
        result: null,
      };
      const headers = { "Content-Type": "application/problem+json", "Access-Control-Allow-Origin": "*" };
      return new Response(JSON.stringify(body), { status: 500, headers });
    }
    return app.fetch(overrideMethod(request), env, context);
  },
} satisfies ExportedHandler<Env>;
