// The effect-free functions of the web platform that the core may call; workerd, browsers and Node all have them.
// Nothing that reads a clock, draws a random number or talks to anything may be declared here.

declare function atob(base64: string): string;
declare function btoa(binary: string): string;

declare class TextEncoder {
  encode(text: string): Uint8Array<ArrayBuffer>;
}

declare class TextDecoder {
  constructor(label: "utf-8", options: { fatal: true; ignoreBOM: boolean });
  decode(bytes: Uint8Array): string;
}

declare class URL {
  static parse(url: string): URL | null;
  readonly protocol: string;
  readonly username: string;
  readonly password: string;
  readonly host: string;
  readonly hostname: string;
  readonly pathname: string;
}
