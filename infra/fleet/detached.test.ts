import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { systemClock } from '../../engine/kernel/clock.ts';
import type { Fleet } from '../../engine/ports.ts';
import { detachedFleet } from './detached.ts';
import { noteProcess } from './notes.ts';
import { isGone } from './process-state.ts';

const graceMs = 20_000;
let folder: string;
let fleet: Fleet;
const strays: ChildProcess[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'detached-'));
  const program = join(folder, 'program.mjs');
  writeFileSync(program, `console.log('up'); setInterval(() => undefined, 1000);`);
  fleet = detachedFleet({
    clock: systemClock,
    home: { data: folder, notes: folder },
    program,
    arguments: [`--data=${folder}`],
    logFile: () => join(folder, 'log'),
  });
});
afterEach(async () => {
  await Promise.all([1, 2].map((brokerId) => fleet.kill(brokerId)));
  for (const each of strays.splice(0)) each.kill('SIGKILL');
  rmSync(folder, { recursive: true });
});

const slot = (brokerId: number) => ({ brokerId, zone: 'a', volume: `/v/${brokerId}`, address: `/a/${brokerId}` });
const noted = (): number[] =>
  readdirSync(folder).flatMap((name) => (/^detached-\d+$/.test(name) ? [Number(name.slice('detached-'.length))] : []));

/** As a controller leaves it that is killed behind the start. */
async function stray(brokerId: number): Promise<number> {
  const words = [join(folder, 'program.mjs'), `--data=${folder}`, '--broker-id', String(brokerId), '--zone', 'a'];
  const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] });
  strays.push(child);
  await once(child.stdout!, 'data');
  noteProcess(folder, 'detached', child.pid!);
  return child.pid!;
}

it('a slot has one process, whatever a dead controller had started in it', async () => {
  const [first, other] = [await stray(1), await stray(2)];
  await fleet.start(slot(1));
  expect([first, other].map(isGone)).toEqual([true, false]);
  const own = noted().find((pid) => pid !== other && !isGone(pid))!;
  expect(fleet.runs?.(1, own)).toBe(true);
  expect(fleet.runs?.(1, other)).toBe(false);
});

it('a stopped slot has no process', async () => {
  await fleet.start(slot(1));
  const [own = 0] = noted();
  const [late, other] = [await stray(1), await stray(2)];
  await fleet.stop(1, graceMs);
  expect([own, late, other].map(isGone)).toEqual([true, true, false]);
  await fleet.stop(2, graceMs);
  expect(isGone(other)).toBe(true);
});
