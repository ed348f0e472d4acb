/** SHA-256 and comparison in constant time. */
export interface SecretHashes {
  matches(text: string, hash: Uint8Array): Promise<boolean>;
  /** In hexadecimal. */
  digest(text: string): Promise<string>;
}
