import type { ProvidedContext } from "vitest";
import type { GatewayTemplate } from "./gateway-template.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** A local Stream for tests in workerd, which cannot start one. */
    stream: { url: string; apiBase: string; uploadHost: string; accountId: string; token: string };
    gatewayTemplate: GatewayTemplate;
  }
}

export type ProvidedStream = ProvidedContext["stream"];
