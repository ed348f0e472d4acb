import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { FileStore } from "@tus/file-store";
import { Server } from "@tus/server";
import { jwtVerify } from "jose";
import { AUDIENCE, issuerOf, SHARED_SECRET } from "./credentials.ts";
import { TENANT } from "./state.ts";

/** A peer: @tus/server on Node, which takes the bytes itself, with a hook that verifies a JWT. Argument: the folder of uploads. */
const key = new TextEncoder().encode(SHARED_SECRET);

const tus = new Server({
  path: `/v1/${TENANT}/uploads`,
  datastore: new FileStore({ directory: process.argv[2] ?? "" }),
  async onIncomingRequest(request) {
    const token = request.headers.get("authorization")?.slice("Bearer ".length) ?? "";
    try {
      await jwtVerify(token, key, { issuer: issuerOf("HS256"), audience: AUDIENCE });
    } catch {
      // eslint-disable-next-line no-throw-literal
      throw { status_code: 401, body: "Unauthorized" };
    }
  },
});

const server = createServer((request, response) => void tus.handle(request, response));
server.listen(0, "127.0.0.1", () => process.send?.((server.address() as AddressInfo).port));
process.on("disconnect", () => process.exit());
