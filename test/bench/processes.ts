import { type ChildProcess, type StdioOptions, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";

/** Where a process runs: what is measured on one processor, all that feeds it on the other, so that they do not compete. */
export type Place = "measured" | "feeding";
const PROCESSOR: Readonly<Record<Place, string>> = { measured: "0", feeding: "1" };

/** Whether processes can be pinned: by `taskset`, which Linux has and others have not. */
export const PINNED = spawnSync("taskset", ["-c", "0,1", "true"]).status === 0;

const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

export function start(place: Place, command: string, args: readonly string[], stdio: StdioOptions): ChildProcess {
  // `taskset` becomes the command, so that signals and the process id are the command's.
  const child = PINNED
    ? spawn("taskset", ["-c", PROCESSOR[place], command, ...args], { stdio })
    : spawn(command, args, { stdio });
  running.add(child);
  child.once("exit", () => running.delete(child));
  return child;
}

/** Another Node program of this folder's, with a channel for messages. */
export function startProgram(path: string): ChildProcess {
  return start("feeding", process.execPath, [path], ["ignore", "inherit", "inherit", "ipc"]);
}

export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

/** The next message of a program's; an error if it ends without one. */
export async function nextMessage<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    const onExit = () => reject(new Error(`${child.spawnargs.join(" ")} has ended.`));
    child.once("exit", onExit);
    child.once("message", (message) => {
      child.off("exit", onExit);
      resolve(message as T);
    });
  });
}
