import { readFileSync, readdirSync } from "node:fs";

const SAMPLE_MS = 1_000;
/** Limit relative to the first third of the run, when caches are full. */
const MAX_GROWTH = 1.25;

/** Samples the resident memory of this process's workerd children. */
export function watchMemory() {
  const samples: number[] = [];
  const timer = setInterval(() => samples.push(residentMegabytes()), SAMPLE_MS);
  const after = (share: number) => {
    const part = samples.slice(Math.floor(samples.length * share), Math.ceil(samples.length * (share + 0.1)));
    return part.toSorted((a, b) => a - b)[Math.floor(part.length / 2)] ?? 0;
  };
  return {
    describe: () => `${Math.round(samples.at(-1) ?? 0)} MB`,
    /** Compares medians over a tenth of the run, so that a single garbage collection does not decide. */
    problems: () => {
      const [early, late] = [after(1 / 3), after(0.9)];
      if (early === 0) return ["No workerd process found, so its memory is unknown"];
      return late <= early * MAX_GROWTH ? [] : [`Memory grew from ${Math.round(early)} to ${Math.round(late)} MB`];
    },
    stop: () => clearInterval(timer),
  };
}

function residentMegabytes(): number {
  let kilobytes = 0;
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const status = readFileSync(`/proc/${pid}/status`, "utf8");
      if (/^Name:\s+workerd$/m.test(status) && new RegExp(`^PPid:\\s+${process.pid}$`, "m").test(status))
        kilobytes += Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0);
    } catch {
      // The process has ended.
    }
  }
  return kilobytes / 1024;
}
