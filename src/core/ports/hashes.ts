/** SHA-256 of secrets, and comparisons in constant time. */
export interface SecretHashes {
  /** Whether a text has this hash. */
  matches(text: string, hash: Uint8Array): Promise<boolean>;
  /** Whether two secrets are equal. Compares their hashes, so that the time taken does not reveal their lengths either. */
  equal(a: string, b: string): Promise<boolean>;
  /** The hash in hexadecimal. */
  digest(text: string): Promise<string>;
  /** The hash in base64url: 43 characters. */
  shortDigest(text: string): Promise<string>;
}
