import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../engine/kernel/clock.ts';
import type { BrokerSlot } from '../../engine/ports.ts';
import { isGone, processFleet } from './process.ts';

const directory = mkdtempSync(join(tmpdir(), 'fleet-'));
const program = join(directory, 'broker.mjs');
// Behaves as its first argument says; 'ready' tells that its handlers are in place.
writeFileSync(
  program,
  `const [mode] = process.argv.slice(2);
if (mode === 'fail') { console.error('no good'); process.exit(3); }
process.once('disconnect', () => process.exit(4));
process.on('message', (m) => { if (m === 'stop' && mode !== 'deaf') { console.error('bye'); process.exit(0); } });
process.on('SIGTERM', () => undefined);
setInterval(() => undefined, 1000);
console.error('ready ' + process.pid);
if (mode === 'chatty') process.stderr.write('x'.repeat(40000));
`,
);
afterAll(() => rmSync(directory, { recursive: true }));

const slot = (brokerId: number): BrokerSlot => ({ brokerId, zone: 'a', volume: '/v', address: '/a' });
const cleanUps: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

function setUp(mode: string, file = program) {
  const lines: string[] = [];
  const exits: number[] = [];
  const waiting: (() => void)[] = [];
  const wake = (): void => {
    for (const check of waiting) check();
  };
  const fleet = processFleet({
    clock: systemClock,
    program: file,
    arguments: () => [mode],
    log(brokerId, line) {
      lines.push(`${brokerId}: ${line}`);
      wake();
    },
  });
  fleet.onExit((brokerId) => {
    exits.push(brokerId);
    wake();
  });
  cleanUps.push(() => fleet.kill(1));
  const until = (holds: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      const check = (): void => {
        if (holds()) resolve();
      };
      waiting.push(check);
      check();
    });
  const pid = async (): Promise<number> => {
    await until(() => lines.some((line) => line.startsWith('1: ready')));
    return Number(lines.find((line) => line.startsWith('1: ready'))!.split(' ')[2]);
  };
  return { fleet, lines, exits, until, pid };
}

describe('a fleet of processes', () => {
  it('ends a broker gracefully, forwards its words, and can start it again', async () => {
    const { fleet, lines, exits, until, pid } = setUp('good');
    await fleet.start(slot(1));
    const first = await pid();
    expect(isGone(first)).toBe(false);
    await fleet.stop(1, 60_000);
    expect(exits).toEqual([1]);
    expect(isGone(first)).toBe(true);
    await until(() => lines.includes('1: bye'));
    await fleet.start(slot(1));
    await until(() => lines.filter((line) => line.startsWith('1: ready')).length === 2);
  });

  it('kills a broker that is stopped by a signal and hears nothing', async () => {
    const { fleet, exits, pid } = setUp('good');
    await fleet.start(slot(1));
    const stopped = await pid();
    process.kill(stopped, 'SIGSTOP');
    await fleet.kill(1);
    expect(isGone(stopped)).toBe(true);
    expect(exits).toEqual([1]);
  });

  it('kills after the grace what does not want to end', async () => {
    const { fleet, exits, pid } = setUp('deaf');
    await fleet.start(slot(1));
    const deaf = await pid();
    await fleet.stop(1, 20);
    expect(isGone(deaf)).toBe(true);
    expect(exits).toEqual([1]);
  });

  it('reports a broker that ends by itself, with its last words', async () => {
    const { fleet, lines, exits, until } = setUp('fail');
    await fleet.start(slot(1));
    await until(() => exits.length === 1 && lines.includes('1: no good'));
  });

  it('reports a program that is not there as an exit', async () => {
    const { fleet, exits, until } = setUp('good', join(directory, 'missing.mjs'));
    await fleet.start(slot(1));
    await until(() => exits.length === 1);
  });

  it('forwards a line that has no end while the broker runs', async () => {
    const { fleet, lines, until } = setUp('chatty');
    await fleet.start(slot(1));
    await until(() => lines.some((line) => line.startsWith('1: xxx')));
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(100_000);
  });

  it('has nothing to end for a slot without a process', async () => {
    const { fleet, exits } = setUp('good');
    await fleet.kill(1);
    await fleet.stop(1, 10);
    expect(exits).toEqual([]);
  });
});

it('ids that name no single other process are gone', () => {
  expect(isGone(0)).toBe(true);
  expect(isGone(-1)).toBe(true);
  expect(isGone(process.pid)).toBe(true);
  expect(isGone(process.ppid)).toBe(false);
});
