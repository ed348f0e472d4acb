import { Hono } from "hono";
import * as v from "valibot";
import { beforeEach, describe, expect, it } from "vitest";
import type { Access } from "../../../src/core/auth/authenticate.ts";
import { problem } from "../../../src/core/shared/problem.ts";
import { err, ok } from "../../../src/core/shared/result.ts";
import { TimedRequestLog } from "../../../src/adapters/telemetry/request-log.ts";
import type { AppEnv } from "../../../src/http/app-env.ts";
import { handle } from "../../../src/http/pipeline/handle.ts";
import { flag } from "../../../src/http/pipeline/query.ts";
import { resource, withoutHead } from "../../../src/http/pipeline/resource.ts";

const access = { caller: { credential: "key-1" }, tenant: { id: "acme" } } as unknown as Access;
const refused = err(problem("scope_missing", "The credential lacks the scope.", { key: "policy:read" }));

let authenticated: boolean;
let bodyRead: boolean;
beforeEach(() => {
  authenticated = false;
  bodyRead = false;
});

/** An app with the route `/:tenant/:id` and all requirements. */
function appWith(credential: "accepted" | "refused" = "accepted") {
  const app = new Hono<AppEnv>();
  app.use((c, next) => {
    c.set("log", new TimedRequestLog("request-1", c.req.method));
    c.set("failures", { countFailure: () => Promise.resolve(undefined) });
    return next();
  });
  const requirements = {
    access: () => {
      authenticated = true;
      return Promise.resolve(credential === "accepted" ? ok(access) : refused);
    },
    slugs: ["tenant", "id"],
    query: v.object({ force: flag }),
    body: v.object({ name: v.string() }),
  } as const;
  const put = handle(requirements, (c, { access, path, query, body }) =>
    c.json({ caller: access.caller.credential, ...path, ...query, ...body }),
  );
  resource(app, "/:tenant/:id", { PUT: put }, { preflight: true });
  return app;
}

function send(app: Hono<AppEnv>, method: string, path: string, text = '{"name":"a"}') {
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        bodyRead = true;
        controller.enqueue(new TextEncoder().encode(text));
        controller.close();
      },
    },
    { highWaterMark: 0 },
  );
  const headers = { "Content-Type": "application/json" };
  return app.request(path, { method, headers, ...(method === "PUT" && { body, duplex: "half" }) });
}

const refusal = async (answer: Response | Promise<Response>) => {
  const { status, code, key } = (await (await answer).json()) as Record<string, unknown>;
  return [status, code, key];
};

describe("handle", () => {
  it("passes the credential, the path, the query and the body to the handler", async () => {
    const answer = await send(appWith(), "PUT", "/acme/eu?force=true");
    expect(await answer.json()).toEqual({ caller: "key-1", tenant: "acme", id: "eu", force: true, name: "a" });
  });

  it("checks the credential before the path, the query and the body", async () => {
    const answer = send(appWith("refused"), "PUT", "/ACME/eu?force=2&x=1", "{");
    expect(await refusal(answer)).toEqual([403, "scope_missing", "policy:read"]);
    expect(bodyRead).toBe(false);
  });

  it("checks the path before the query and the body", async () => {
    expect(await refusal(send(appWith(), "PUT", "/acme/EU?force=2", "{"))).toEqual([400, "bad_request", "id"]);
    expect(await refusal(send(appWith(), "PUT", "/a_b/EU?force=2", "{"))).toEqual([400, "bad_request", "tenant"]);
    expect(bodyRead).toBe(false);
  });

  it("checks the query before the body", async () => {
    expect(await refusal(send(appWith(), "PUT", "/acme/eu?force=2", "{"))).toEqual([400, "bad_request", "force"]);
    expect(bodyRead).toBe(false);
  });

  it("checks the body last", async () => {
    expect(await refusal(send(appWith(), "PUT", "/acme/eu", "{"))).toEqual([400, "body_invalid", undefined]);
    expect(await refusal(send(appWith(), "PUT", "/acme/eu", '{"name":1}'))).toEqual([400, "body_invalid", "name"]);
    expect(bodyRead).toBe(true);
  });

  it("responds with the problem that the handler returns", async () => {
    const app = appWith();
    resource(app, "/fails", { GET: handle({}, () => err(problem("not_found", "There is no such upload."))) });
    expect(await refusal(app.request("/fails"))).toEqual([404, "not_found", undefined]);
  });
});

describe("resource", () => {
  it("returns 405 before it looks for a credential", async () => {
    const answer = await send(appWith("refused"), "DELETE", "/acme/eu?x=1");
    expect(answer.headers.get("allow")).toBe("OPTIONS, PUT");
    expect(await refusal(answer)).toEqual([405, "method_not_allowed", undefined]);
    expect(authenticated).toBe(false);
  });

  it("answers HEAD like GET unless told otherwise", async () => {
    const app = appWith();
    const get = handle({}, (c) => c.json({}));
    resource(app, "/with", { GET: get });
    resource(app, "/without", { GET: get, POST: get }, { head: false });
    expect((await app.request("/with", { method: "HEAD" })).status).toBe(200);
    const allow = async (path: string, method: string) => {
      const answer = await app.request(path, { method });
      return [answer.status, answer.headers.get("allow")];
    };
    expect(await allow("/with", "PUT")).toEqual([405, "GET, HEAD"]);
    expect(await allow("/without", "HEAD")).toEqual([405, "GET, POST"]);
  });
});

describe("withoutHead", () => {
  it("passes HEAD on and answers GET", async () => {
    const app = new Hono<AppEnv>();
    app.get(
      "/",
      withoutHead((c) => c.text("list")),
    );
    app.all("/", (c) => c.text("", 405));
    expect((await app.request("/")).status).toBe(200);
    expect((await app.request("/", { method: "HEAD" })).status).toBe(405);
  });
});
