/** Keeps processes on cores, so that server and client do not take turns on the same one. */
import { spawnSync } from 'node:child_process';
import { cpus } from 'node:os';

export const serverCore = 0;
export const clientCore = 1;

let isPossible: boolean | undefined;

/** Pins all threads of `pid` to `core`. False where there is one core or no taskset: the report says so. */
export function pin(pid: number, core: number): boolean {
  if (isPossible === false) return false;
  isPossible = cpus().length > 1 && spawnSync('taskset', ['-acp', String(core), String(pid)]).status === 0;
  return isPossible;
}
