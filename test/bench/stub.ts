import { type AddressInfo, createServer } from "node:net";
import { HEAD_END, STUB_UPLOAD_HOST } from "./wire.ts";

/**
 * The upstream of both sides, as a separate process: answers every request like a Stream creation without reading it, since it
 * shares a processor with the load generators.
 */
const UID = "ea95132c15732412d22c1476fa83f27a";
const CREATED = Buffer.from(
  [
    "HTTP/1.1 201 Created",
    `Location: https://${STUB_UPLOAD_HOST}/tus/${UID}?tusv2=true`,
    `Stream-Media-Id: ${UID}`,
    "Tus-Resumable: 1.0.0",
    "Content-Length: 0",
    "",
    "",
  ].join("\r\n"),
);

const server = createServer({ noDelay: true }, (socket) => {
  let tail = "";
  socket.on("data", (chunk) => {
    // A creation has no body, so the request ends with its head.
    tail += chunk.toString("latin1");
    for (let end = tail.indexOf(HEAD_END); end >= 0; end = tail.indexOf(HEAD_END)) {
      tail = tail.slice(end + HEAD_END.length);
      socket.write(CREATED);
    }
  });
  // The Worker's process is killed at the end with open connections.
  socket.on("error", () => socket.destroy());
});

server.listen(0, "127.0.0.1", () => process.send?.((server.address() as AddressInfo).port));
process.on("disconnect", () => process.exit());
