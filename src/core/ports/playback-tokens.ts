import type { TokenClaims } from "../playback/rules/playback-token.ts";
import type { SigningKey } from "../playback/rules/signing-key.ts";

/** Signs playback tokens as Stream documents them: RS256. */
export interface PlaybackTokens {
  /** @param uid of the video */
  sign(key: SigningKey, uid: string, claims: TokenClaims): Promise<string>;
  /** Whether a key can sign. */
  canSign(key: Pick<SigningKey, "id" | "jwk">): Promise<boolean>;
}
