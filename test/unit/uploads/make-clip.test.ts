import { describe, expect, it } from "vitest";
import { problem } from "../../../src/core/shared/problem.ts";
import { type Result, err, ok } from "../../../src/core/shared/result.ts";
import type { StreamOutcome } from "../../../src/core/stream/rules/creation.ts";
import type { Upstream } from "../../../src/core/stream/rules/upstream.ts";
import { makeClip } from "../../../src/core/uploads/make-clip.ts";
import { writeClip } from "../../../src/core/uploads/rules/clip.ts";

const uid = "0123456789abcdef0123456789abcdef";
const PARENT = "fedcba9876543210fedcba9876543210";
const upstream = { id: "live", maxVideoSeconds: 36_000, maxUploadBytes: 30_000_000_000 } as Upstream;
const metadata = new Map([
  ["requiresignedurls", ""],
  ["sluice", "acme/1"],
]);
const clip = writeClip({ of: PARENT, startSeconds: 0, endSeconds: 10 }, metadata, undefined);
const shown = (more: object = {}) => ({ uid, status: { state: "queued" }, ...clip, ...more });
const PUBLIC = shown({ requireSignedURLs: false });
const MADE = (json: Record<string, unknown>): StreamOutcome => ({
  kind: "made",
  status: 200,
  uid,
  video: { report: { kind: "processing", uid }, json },
});

/** @returns the outcome, and what was called, in order */
async function make(made: StreamOutcome, edited: Result<unknown> = err(problem("stream_timeout", ""))) {
  const calls: unknown[] = [];
  const outcome = await makeClip(
    {
      stream: {
        make: async () => (calls.push("make"), made),
        call: async (_, call) => (calls.push(call), edited),
      },
      budget: { refund: async () => void calls.push("refund") },
    },
    upstream,
    "acme",
    clip,
  );
  return { outcome, calls };
}

const EDIT = { method: "POST", path: `/${uid}`, json: { requireSignedURLs: true } };

describe("makeClip", () => {
  it("gives back the second call if the clip is as it was decided", async () => {
    const { outcome, calls } = await make(MADE(shown()));
    expect(outcome).toMatchObject({ kind: "made", uid });
    expect(calls).toEqual(["make", "refund"]);
  });

  it("gives it back if there is no clip", async () => {
    const refused: StreamOutcome = { kind: "refused", status: 400, problem: problem("stream_rejected", "") };
    expect(await make(refused)).toEqual({ outcome: refused, calls: ["make", "refund"] });
  });

  it("neither edits nor takes the parent for the clip, should Stream describe that", async () => {
    const of: StreamOutcome = {
      kind: "made",
      status: 200,
      uid: PARENT,
      video: { report: { kind: "ready", uid: PARENT }, json: {} },
    };
    const { outcome, calls } = await make(of);
    expect(outcome).toMatchObject({ kind: "unknown", problem: { code: "stream_bad_answer" } });
    expect(outcome).not.toHaveProperty("uid");
    expect(calls).toEqual(["make", "refund"]);
  });

  it("sets what differs", async () => {
    const { outcome, calls } = await make(MADE(PUBLIC), ok(shown()));
    expect(outcome).toMatchObject({ kind: "made", video: { json: { requireSignedURLs: true } } });
    expect(calls).toEqual(["make", EDIT]);
  });

  it.each([
    ["Stream does not answer the edit", err(problem("stream_timeout", "")), "stream_timeout"],
    ["the edit has changed nothing", ok(PUBLIC), "stream_bad_answer"],
    ["the answer to the edit is no video", ok({}), "stream_bad_answer"],
  ])("has it deleted if %s", async (_, edited, code) => {
    const { outcome, calls } = await make(MADE(PUBLIC), edited);
    expect(outcome).toMatchObject({ kind: "unknown", uid, problem: { code } });
    expect(calls).toEqual(["make", EDIT]);
  });
});
