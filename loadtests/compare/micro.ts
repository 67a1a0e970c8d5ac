/**
 * Targets that are loops in this process. The loop is calibrated so that the clock is read rarely. CPU time counts, not
 * wall time, because pre-emption by other processes does not affect it.
 */
import type { Measured, Target } from './bench.ts';

/** Between two readings of the clock. */
const sliceMs = 5;

/** `run(n)` does the work n times; `bytes` is the amount handled each time. */
export function loop(name: string, bytes: number, run: (times: number) => void): Target {
  let times = 1;
  for (;;) {
    const beginMs = performance.now();
    run(times);
    if (performance.now() - beginMs > sliceMs) break;
    times *= 2;
  }
  return {
    name,
    processes: { server: [process.pid] },
    run(seconds): Promise<Measured> {
      let operations = 0;
      const begin = process.cpuUsage();
      const beginMs = performance.now();
      const endMs = beginMs + seconds * 1e3;
      let nowMs: number;
      do {
        run(times);
        operations += times;
        nowMs = performance.now();
      } while (nowMs < endMs);
      const { user, system } = process.cpuUsage(begin);
      const cpu = (user + system) / 1e6;
      // Rates are per second of CPU: the same as of wall time on a quiet machine.
      return Promise.resolve({ operations, bytes: operations * bytes, seconds: cpu, cpuSeconds: { server: cpu } });
    },
  };
}

export function looping(targets: () => Target[]) {
  return () => Promise.resolve({ targets: targets(), stop: () => Promise.resolve() });
}
