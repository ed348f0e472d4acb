import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ROOT } from "../../src/cli/paths.ts";
import {
  UPLOAD_STATES,
  type UploadProgress,
  type UploadTransition,
  applyTransition,
} from "../../src/core/uploads/rules/upload-state.ts";

const uid = "0".repeat(32);
/** One of each kind, and of each report. */
const TRANSITIONS: readonly UploadTransition[] = [
  { kind: "issued", uid },
  { kind: "lost" },
  { kind: "superseded" },
  { kind: "unreachable", uid },
  { kind: "expired" },
  { kind: "cancelled" },
  { kind: "reported", report: { kind: "absent" } },
  { kind: "reported", report: { kind: "pending", uid } },
  { kind: "reported", report: { kind: "processing", uid } },
  { kind: "reported", report: { kind: "ready", uid } },
  { kind: "reported", report: { kind: "failed", uid } },
  { kind: "restored", report: { kind: "ready", uid } },
];

describe("the state diagram in docs/api.md", () => {
  it("shows exactly the transitions of the state machine", async () => {
    const docs = await readFile(join(ROOT, "docs", "api.md"), "utf8");
    const drawn = [...docs.matchAll(/^ {4}(\w+) --> (\w+):/gm)].map(([, from, to]) => `${from} --> ${to}`);
    const start: Omit<UploadProgress, "state"> = {
      bytes: 1,
      seconds: 1,
      deletionRequested: false,
      lost: false,
      rounds: 0,
      measured: { bytes: false, seconds: false },
    };
    const possible = UPLOAD_STATES.flatMap((state) =>
      TRANSITIONS.map((transition) => applyTransition({ ...start, state, lost: state === "unknown" }, transition).state)
        .filter((next) => next !== state)
        .map((next) => `${state} --> ${next}`),
    );
    expect(drawn.toSorted()).toEqual([...new Set(possible)].toSorted());
  });
});
