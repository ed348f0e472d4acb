import { type ChildProcess, type StdioOptions, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";

/** Pins measured processes to one processor and load generators to the other, so that they do not compete. */
export type Place = "measured" | "feeding";
const PROCESSOR: Readonly<Record<Place, string>> = { measured: "0", feeding: "1" };

/** Whether `taskset` (Linux only) can pin processes. */
export const PINNED = spawnSync("taskset", ["-c", "0,1", "true"]).status === 0;

const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

export function start(place: Place, command: string, args: readonly string[], stdio: StdioOptions): ChildProcess {
  // `taskset` replaces itself with the command, so that signals and process id are the command's.
  const child = PINNED
    ? spawn("taskset", ["-c", PROCESSOR[place], command, ...args], { stdio })
    : spawn(command, args, { stdio });
  running.add(child);
  child.once("exit", () => running.delete(child));
  return child;
}

/** Starts another program of this folder, with a message channel. */
export function startProgram(path: string): ChildProcess {
  return start("feeding", process.execPath, [path], ["ignore", "inherit", "inherit", "ipc"]);
}

export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

/** Resolves to a program's next message; rejects if the program ends. */
export async function nextMessage<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    const onExit = () => reject(new Error(`${child.spawnargs.join(" ")} exited without a message.`));
    child.once("exit", onExit);
    child.once("message", (message) => {
      child.off("exit", onExit);
      resolve(message as T);
    });
  });
}
