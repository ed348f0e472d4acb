import type { ProvidedContext } from "vitest";

declare module "vitest" {
  interface ProvidedContext {
    /** A local Stream for tests that run where none can be started. */
    stream: { url: string; apiBase: string; uploadHost: string; accountId: string; token: string };
  }
}

export type ProvidedStream = ProvidedContext["stream"];
