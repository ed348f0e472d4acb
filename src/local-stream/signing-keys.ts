import { type JsonWebKey, createPrivateKey, generateKeyPair, randomBytes } from "node:crypto";
import { promisify } from "node:util";
import { readJson, writeJson } from "./json-file.ts";

/** A key that signs playback tokens for every video of the account. [C] */
export interface SigningKey {
  readonly id: string;
  /** ISO 8601. */
  readonly created: string;
  /** The private key, PKCS #1. */
  readonly pem: string;
  /** Made by Stream itself for `POST …/token`, so that no list shows it. [U] */
  readonly own?: true;
}

/** [C] */
const KEY_BITS = 2_048;

/** The account's signing keys. They survive a restart. */
export class SigningKeys {
  readonly #file: string;
  readonly #now: () => number;
  #keys: readonly SigningKey[];

  constructor(file: string, now: () => number) {
    this.#file = file;
    this.#now = now;
    this.#keys = (readJson(file) as readonly SigningKey[] | undefined) ?? [];
  }

  /** Those that the account created, oldest first. */
  list(): readonly SigningKey[] {
    return this.#keys.filter(({ own }) => !own);
  }

  get(id: string): SigningKey | undefined {
    return this.#keys.find((key) => key.id === id);
  }

  create(): Promise<SigningKey> {
    return this.#create(false);
  }

  /** The key that signs what Stream itself signs: the account's newest, or one of Stream's own. [U] */
  async signer(): Promise<SigningKey> {
    return this.list().at(-1) ?? this.#keys.at(-1) ?? (await this.#create(true));
  }

  /** "Deletes signing keys and revokes all signed URLs generated with the key." [C] @returns whether there was one */
  delete(id: string): boolean {
    const isListed = this.list().some((key) => key.id === id);
    if (isListed) this.#save(this.#keys.filter((key) => key.id !== id));
    return isListed;
  }

  clear(): void {
    this.#save([]);
  }

  async #create(own: boolean): Promise<SigningKey> {
    const { privateKey } = await promisify(generateKeyPair)("rsa", { modulusLength: KEY_BITS });
    const key = {
      id: randomBytes(16).toString("hex"),
      created: new Date(this.#now()).toISOString(),
      pem: privateKey.export({ type: "pkcs1", format: "pem" }).toString(),
      ...(own && { own: true as const }),
    };
    this.#save([...this.#keys, key]);
    return key;
  }

  #save(keys: readonly SigningKey[]): void {
    this.#keys = keys;
    writeJson(this.#file, keys);
  }
}

/** The private key as a JSON Web Key. [C] */
export function jwkOf({ id, pem }: SigningKey): JsonWebKey {
  return { use: "sig", kid: id, alg: "RS256", ...createPrivateKey(pem).export({ format: "jwk" }) };
}
