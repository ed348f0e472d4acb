/** @returns the value of a JSON text in UTF-8, with or without a byte order mark; `undefined` if it is none */
export function parseJson(bytes: Uint8Array): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes)) };
  } catch {
    return undefined;
  }
}
