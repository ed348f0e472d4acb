import { type Answer, fail, succeed } from "../http.ts";
import { jwkOf } from "../signing-keys.ts";
import type { Stream } from "../stream.ts";
import { readFields } from "../values.ts";
import { type ApiCall, type Route, readOptionalJsonBody } from "./route.ts";

export const KEYS: readonly Route[] = [
  { method: "POST", path: "/keys", answer: create },
  { method: "GET", path: "/keys", answer: list },
  { method: "DELETE", path: "/keys/:id", answer: remove },
];

/** "Key files are only displayed once after creation", in base64. [C] */
async function create({ signingKeys }: Stream, call: ApiCall): Promise<Answer> {
  readFields(readOptionalJsonBody(call), "the body", []);
  const key = await signingKeys.create();
  const base64 = (text: string) => Buffer.from(text).toString("base64");
  const [pem, jwk] = [base64(key.pem), base64(JSON.stringify(jwkOf(key)))];
  return succeed({ id: key.id, pem, jwk, created: key.created });
}

function list({ signingKeys }: Stream): Answer {
  return succeed(signingKeys.list().map(({ id, created }) => ({ id, created })));
}

function remove({ signingKeys }: Stream, { parameters }: ApiCall): Answer {
  return signingKeys.delete(parameters["id"] ?? "")
    ? succeed("Key revoked")
    : fail(404, 10003, "signing key not found");
}
