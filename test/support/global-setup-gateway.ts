import { rm } from "node:fs/promises";
import type { TestProject } from "vitest/node";
import { createGatewayTemplate } from "./gateway-template.ts";

/** Builds the Worker and migrates a database once per run; every gateway of the run starts on a copy. */
export default async function provideGateway(project: TestProject): Promise<() => Promise<void>> {
  const template = await createGatewayTemplate();
  project.provide("gatewayTemplate", template);
  return () => rm(template.statePath, { recursive: true, force: true });
}
