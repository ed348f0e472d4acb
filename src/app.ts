import { Routes } from "./http/routes.ts";
import { requestId } from "hono/request-id";
import { problem } from "./core/shared/problem.ts";
import type { Dependencies } from "./dependencies.ts";
import { authFailureLimit } from "./http/middleware/auth-failure-limit.ts";
import { cors } from "./http/middleware/cors.ts";
import { refuseUnknownMethod } from "./http/middleware/method-override.ts";
import { requestLog } from "./http/middleware/request-log.ts";
import { creationEndpoint, tusEndpoint } from "./http/middleware/tus-headers.ts";
import { respondProblem } from "./http/pipeline/problem-response.ts";
import { adminRoutes } from "./http/routes/admin/admin.ts";
import { cloudflareStreamRoutes } from "./http/routes/cloudflare/stream.ts";
import { schemaRoutes } from "./http/routes/schemas.ts";
import { streamWebhookRoutes } from "./http/routes/stream-webhook.ts";
import { captionAndDownloadRoutes } from "./http/routes/tenant/captions-and-downloads.ts";
import { clipRoutes, copyRoutes } from "./http/routes/tenant/copies-and-clips.ts";
import { tusEndpointRoutes } from "./http/routes/tenant/create-upload.ts";
import { directUploadRoutes } from "./http/routes/tenant/direct-uploads.ts";
import { grantRoutes } from "./http/routes/tenant/grants.ts";
import { playbackRoutes } from "./http/routes/tenant/playback.ts";
import { policyRoutes } from "./http/routes/tenant/policy.ts";
import { uploadResourceRoutes } from "./http/routes/tenant/uploads.ts";
import { usageRoutes } from "./http/routes/tenant/usage.ts";

/** All of Sluice's HTTP: the middleware in order, the routes, and one error boundary. */
export function createApp(dependencies: Dependencies): Routes {
  const app = new Routes();

  app.use(requestId());
  app.use(requestLog(dependencies.telemetry));
  app.use(authFailureLimit(dependencies.failures));
  app.use("/v1/:tenant/uploads", tusEndpoint, creationEndpoint);
  app.use("/client/v4/accounts/:tenant/stream", tusEndpoint, creationEndpoint);
  app.use("/v1/:tenant/direct-uploads", creationEndpoint);
  app.use("/client/v4/accounts/:tenant/stream/direct_upload", creationEndpoint);
  app.use("/client/v4/accounts/:tenant/stream/copy", creationEndpoint);
  app.use("/client/v4/accounts/:tenant/stream/clip", creationEndpoint);
  app.use("/v1/:tenant/copies", creationEndpoint);
  app.use("/v1/:tenant/uploads/:id/clips", creationEndpoint);
  app.use("/v1/:tenant/*", cors(dependencies.registry));
  app.use("/client/v4/accounts/:tenant/*", cors(dependencies.registry));
  app.use(refuseUnknownMethod);

  app.route("/v1/:tenant/uploads", tusEndpointRoutes(dependencies));
  app.route("/client/v4/accounts/:tenant/stream", tusEndpointRoutes(dependencies));
  // Preflights of all other tenant paths, so that browsers can read even a 404.
  app.options("/v1/:tenant/*", (c) => c.body(null, 204));
  app.options("/client/v4/accounts/:tenant/*", (c) => c.body(null, 204));
  app.route("/v1/:tenant/uploads", uploadResourceRoutes(dependencies));
  app.route("/v1/:tenant/uploads", captionAndDownloadRoutes(dependencies));
  app.route("/v1/:tenant/uploads", playbackRoutes(dependencies));
  app.route("/v1/:tenant/uploads", clipRoutes(dependencies));
  app.route("/v1/:tenant/copies", copyRoutes(dependencies));
  app.route("/v1/:tenant/direct-uploads", directUploadRoutes(dependencies));
  app.route("/client/v4/accounts/:tenant/stream", cloudflareStreamRoutes(dependencies));
  app.route("/v1/:tenant/grants", grantRoutes(dependencies));
  app.route("/v1/:tenant/policy", policyRoutes(dependencies));
  app.route("/v1/:tenant/usage", usageRoutes(dependencies));
  app.route("/hooks/stream", streamWebhookRoutes(dependencies));
  app.route("/admin/v1", adminRoutes(dependencies));
  app.route("/schemas", schemaRoutes());
  app.get("/healthz", (c) => c.json({ status: "ok" }));

  app.notFound((c) => respondProblem(c, problem("not_found", "No route matches this path.")));
  app.onError((error, c) => {
    c.get("log").fields.error = `${error.name}: ${error.message}`;
    return respondProblem(c, problem("internal_error", "The gateway failed unexpectedly."));
  });
  return app;
}
