import { createApp } from "./app.ts";
import { ConfigError, parseConfig } from "./config.ts";
import { createDependencies } from "./dependencies.ts";
import { overrideMethod } from "./middleware/method-override.ts";

/** Made by an isolate's first request, since the settings come with it; kept for the isolate's life. */
let app: ReturnType<typeof createApp> | undefined;

export default {
  async fetch(request, env, context) {
    try {
      app ??= createApp(createDependencies(env, parseConfig(env)));
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      console.error(error.message);
      return Response.json({ status: 500, code: "misconfigured", title: "Sluice is not configured" }, { status: 500 });
    }
    return app.fetch(overrideMethod(request), env, context);
  },
} satisfies ExportedHandler<Env>;
