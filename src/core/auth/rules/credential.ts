import { problem } from "../../shared/problem.ts";
import { type Result, ok, err } from "../../shared/result.ts";
import type { HeaderReader } from "../../uploads/rules/tus-creation.ts";
import type { Scope } from "./scopes.ts";

/** The credentials of a request, none of them verified. */
export interface Credentials {
  /** The tenant in the path. */
  readonly tenant: string;
  /** Reads `Authorization`, `X-API-Key` and headers that issuers name. */
  readonly header: HeaderReader;
  /** The metadata key `grant` of a creation; "" if it cannot be decoded. */
  readonly grant?: string | undefined;
}

export interface PresentedToken {
  readonly text: string;
  readonly sentIn: "authorization" | "x-api-key" | "metadata" | "issuer's header";
}

/** Tokens of identity providers stay below 8 KiB, and so do grants. */
const MAX_TOKEN_CHARACTERS = 8_192;

/** Reads the one credential of a request: two would leave open whose upload it is. @returns `undefined` if there is none */
export function readToken({ header, grant }: Credentials): Result<PresentedToken | undefined> {
  const [authorization, apiKey] = [header("authorization"), header("x-api-key")];
  if ([authorization, apiKey, grant].filter((sent) => sent !== undefined).length > 1)
    return err(
      problem("credential_ambiguous", "Send one of Authorization, X-API-Key and the metadata key grant, not several."),
    );
  if (grant !== undefined) return checkSize(grant, "metadata");
  if (apiKey !== undefined) return checkSize(apiKey, "x-api-key");
  if (authorization === undefined) return ok(undefined);
  const text = /^Bearer +([\x21-\x7e]+) *$/i.exec(authorization)?.[1];
  if (text === undefined)
    return err(problem("credential_invalid", "Authorization must have the form: Bearer <API key, JWT or grant>."));
  return checkSize(text, "authorization");
}

export function checkSize(text: string, sentIn: PresentedToken["sentIn"]): Result<PresentedToken> {
  const { length } = text;
  if (length <= MAX_TOKEN_CHARACTERS) return ok({ text, sentIn });
  return err(
    problem(
      "credential_too_large",
      `The credential must have at most ${MAX_TOKEN_CHARACTERS} characters (found: ${length}).`,
    ),
  );
}

/** Clients send their headers to the upload host, too, but the metadata to the gateway only: the best place for a grant. */
export function missingCredential(scope: Scope) {
  const form = "Authorization: Bearer <API key, JWT or grant>";
  return problem(
    "credential_missing",
    scope === "uploads:create"
      ? `Send a grant as the metadata key grant (in a JSON body: meta.grant), or ${form}.`
      : `Send ${form}.`,
  );
}
