import { Hono } from "hono";
import { requestId } from "hono/request-id";
import { RegExpRouter } from "hono/router/reg-exp-router";
import type { Dependencies } from "./dependencies.ts";
import { problem } from "./core/shared/problem.ts";
import type { AppEnv } from "./http/app-env.ts";
import { cors } from "./http/middleware/cors.ts";
import { failureLimit } from "./http/middleware/auth-failure-limit.ts";
import { refuseUnknownOverride } from "./http/middleware/method-override.ts";
import { creationEndpoint, tusEndpoint } from "./http/middleware/tus-headers.ts";
import { requestLog } from "./http/middleware/request-event.ts";
import { adminRoutes } from "./http/routes/admin/admin.ts";
import { cloudflareStreamRoutes } from "./http/routes/cloudflare/stream.ts";
import { directUploadRoutes } from "./http/routes/tenant/direct-uploads.ts";
import { grantRoutes } from "./http/routes/tenant/grants.ts";
import { streamWebhookRoutes } from "./http/routes/stream-webhook.ts";
import { uploadResourceRoutes } from "./http/routes/tenant/uploads.ts";
import { policyRoutes } from "./http/routes/tenant/policy.ts";
import { respondProblem } from "./http/pipeline/problem-response.ts";
import { schemaRoutes } from "./http/routes/schemas.ts";
import { uploadRoutes } from "./http/routes/tenant/create-upload.ts";
import { usageRoutes } from "./http/routes/tenant/usage.ts";

/** The whole of Sluice over HTTP: middleware in order, route groups, one error boundary. */
export function createApp(dependencies: Dependencies): Hono<AppEnv> {
  // A slash at the end of a path is nobody's intention. The router, of all that Hono has the fastest, finds the handlers of
  // a path by one regular expression; routes that do not fit into it fail at the first request, and so in every test.
  const app = new Hono<AppEnv>({ strict: false, router: new RegExpRouter() });

  app.use(requestId());
  app.use(requestLog(dependencies.telemetry));
  app.use(failureLimit(dependencies.failures));
  app.use("/v1/:tenant/uploads", tusEndpoint, creationEndpoint);
  app.use("/client/v4/accounts/:tenant/stream", tusEndpoint, creationEndpoint);
  app.use("/v1/:tenant/direct-uploads", creationEndpoint);
  app.use("/client/v4/accounts/:tenant/stream/direct_upload", creationEndpoint);
  app.use("/v1/:tenant/*", cors(dependencies.registry));
  app.use("/client/v4/accounts/:tenant/*", cors(dependencies.registry));
  app.use(refuseUnknownOverride);

  app.route("/v1/:tenant/uploads", uploadRoutes(dependencies));
  app.route("/client/v4/accounts/:tenant/stream", uploadRoutes(dependencies));
  // Preflights of all else, or the page could not even read that there is nothing.
  app.options("/v1/:tenant/*", (c) => c.body(null, 204));
  app.options("/client/v4/accounts/:tenant/*", (c) => c.body(null, 204));
  app.route("/v1/:tenant/uploads", uploadResourceRoutes(dependencies));
  app.route("/v1/:tenant/direct-uploads", directUploadRoutes(dependencies));
  app.route("/client/v4/accounts/:tenant/stream", cloudflareStreamRoutes(dependencies));
  app.route("/v1/:tenant/grants", grantRoutes(dependencies));
  app.route("/v1/:tenant/policy", policyRoutes(dependencies));
  app.route("/v1/:tenant/usage", usageRoutes(dependencies));
  app.route("/hooks/stream", streamWebhookRoutes(dependencies));
  app.route("/admin/v1", adminRoutes(dependencies));
  app.route("/schemas", schemaRoutes());
  app.get("/healthz", (c) => c.json({ status: "ok" }));

  app.notFound((c) => respondProblem(c, problem("not_found", "There is nothing at this path.")));
  app.onError((error, c) => {
    c.get("log").fields.error = `${error.name}: ${error.message}`;
    return respondProblem(c, problem("internal_error", "Something went wrong inside the gateway."));
  });
  return app;
}
