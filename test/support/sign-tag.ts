import { createHmac, hkdfSync } from "node:crypto";
import { settingsFor } from "./gateway.ts";
import type { LocalStream } from "../../src/local-stream/local-stream.ts";

/** The `sluice` key that a test gateway writes into the `meta` of an upload's video. Written from the specification. */
export function signTag(stream: LocalStream, tenant: string, uploadId: string): string {
  const [, master = ""] = settingsFor(stream)["MASTER_KEYS"]?.split(":") ?? [];
  const key = hkdfSync("sha256", Buffer.from(master, "base64"), "", "sluice tag", 32);
  const mac = createHmac("sha256", Buffer.from(key)).update(`${tenant}/${uploadId}`).digest().subarray(0, 12);
  return `${tenant}/${uploadId}/${mac.toString("base64url")}`;
}
