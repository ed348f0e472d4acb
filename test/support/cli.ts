import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { ROOT } from "../../src/cli/paths.ts";

/** A script of the project that runs as a process of its own. */
export interface RunningCli {
  readonly child: ChildProcess;
  /** What the process has printed so far. */
  readonly printed: { stdout: string; stderr: string };
  /** The exit code, or null if a signal ended the process. */
  readonly exited: Promise<number | null>;
}

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Starts a script.
 * @param script Path in the repository.
 * @param env The whole environment of the process.
 */
export function startCli(script: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): RunningCli {
  const child = spawn(process.execPath, [join(ROOT, script), ...args], { env });
  const printed = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (printed.stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (printed.stderr += text));
  return { child, printed, exited: new Promise((resolve) => child.on("close", resolve)) };
}

/** Runs a script to its end. */
export async function runCli(script: string, args: readonly string[], env?: NodeJS.ProcessEnv): Promise<CliResult> {
  const { printed, exited } = startCli(script, args, env);
  return { code: await exited, ...printed };
}
