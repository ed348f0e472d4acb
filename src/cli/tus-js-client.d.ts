import type { UrlStorage } from "tus-js-client";

// Exported by the Node build, and missing from its types (tus-js-client 4.3.1).
declare module "tus-js-client" {
  const FileUrlStorage: new (path: string) => UrlStorage;
}
