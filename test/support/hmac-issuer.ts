import { SignJWT } from "jose";

const ISSUER = "https://idp.example/";
const SECRET = "a-secret-of-32-bytes-for-the-test";

/** An issuer whose JWTs are signed with a shared secret. */
export const hmacIssuer = {
  /** Its document in the operator API. */
  document: { issuer: ISSUER, audiences: ["sluice"], keys: { secrets: [SECRET] } },
  /** A JWT of this subject, valid for longer than a battery of tests takes on a busy machine. @param issuer another one, with the same secret */
  sign: (subject: string, issuer = ISSUER) =>
    new SignJWT({ iss: issuer, aud: "sluice", sub: subject })
      .setProtectedHeader({ alg: "HS256" })
      .setExpirationTime("10m")
      .sign(new TextEncoder().encode(SECRET)),
};
