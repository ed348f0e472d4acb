import { type IncomingMessage, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Hono } from "hono";
import { jwtVerify } from "jose";
import { AUDIENCE, issuerOf, SHARED_SECRET } from "./credentials.ts";

/**
 * A peer: what one writes by hand on Node, with Hono. It verifies a JWT and forwards the creation, as the pass-through Worker does.
 * Argument: the upstream's address.
 */
const upstream = `${process.argv[2]}/accounts/0123456789abcdef0123456789abcdef/stream?direct_user=true`;
const key = new TextEncoder().encode(SHARED_SECRET);

const app = new Hono();
app.post("/v1/:tenant/uploads", async (c) => {
  const token = c.req.header("authorization")?.slice("Bearer ".length) ?? "";
  try {
    await jwtVerify(token, key, { issuer: issuerOf("HS256"), audience: AUDIENCE });
  } catch {
    return c.json({ error: "unauthorized" }, 401);
  }
  const response = await fetch(upstream, {
    method: "POST",
    headers: {
      Authorization: "Bearer token-of-the-bench",
      "Tus-Resumable": "1.0.0",
      "Upload-Length": c.req.header("upload-length") ?? "",
      "Upload-Metadata": c.req.header("upload-metadata") ?? "",
    },
  });
  await response.arrayBuffer();
  return new Response(null, { status: response.status, headers: { Location: response.headers.get("Location") ?? "" } });
});

const server = createServer((request, response) => void answer(request, response));

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const headers = Object.entries(request.headers).flatMap(([name, value]) =>
    typeof value === "string" ? [[name, value] as [string, string]] : [],
  );
  const url = `http://${request.headers.host}${request.url}`;
  const answered = await app.fetch(new Request(url, { method: request.method ?? "GET", headers }));
  response.writeHead(answered.status, Object.fromEntries(answered.headers));
  response.end(Buffer.from(await answered.arrayBuffer()));
}

server.listen(0, "127.0.0.1", () => process.send?.((server.address() as AddressInfo).port));
process.on("disconnect", () => process.exit());
