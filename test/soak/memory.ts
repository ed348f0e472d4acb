import { readFileSync, readdirSync } from "node:fs";

const SAMPLE_MS = 1_000;
/** Of what it was when the first third had passed: caches are full by then. */
const MAX_GROWTH = 1.25;

/** Watches the resident memory of the workerd processes that this process has started. */
export function watchMemory() {
  const samples: number[] = [];
  const timer = setInterval(() => samples.push(residentMegabytes()), SAMPLE_MS);
  const after = (share: number) => {
    const part = samples.slice(Math.floor(samples.length * share), Math.ceil(samples.length * (share + 0.1)));
    return part.toSorted((a, b) => a - b)[Math.floor(part.length / 2)] ?? 0;
  };
  return {
    describe: () => `${Math.round(samples.at(-1) ?? 0)} MB`,
    /** Medians of a tenth of the time, so that no single collection of garbage decides. */
    problems: () => {
      const [early, late] = [after(1 / 3), after(0.9)];
      if (early === 0) return ["No workerd was seen, so its memory is not known"];
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
      // It has ended meanwhile.
    }
  }
  return kilobytes / 1024;
}
