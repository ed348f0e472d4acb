import { afterAll, vi } from "vitest";

/** The files of a project share workers, so each file leaves no replaced globals and no state of modules behind. */
afterAll(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
  vi.resetModules();
});
