import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../engine/kernel/clock.ts';
import type { BrokerSlot } from '../../engine/ports.ts';
import { processFleet } from './process.ts';
import { isGone } from './process-state.ts';

const directory = mkdtempSync(join(tmpdir(), 'fleet-'));
const program = join(directory, 'broker.mjs');
/** A dot for each process that has loaded, when they are counted. */
const loads = join(directory, 'loads');
// Behaves as its first argument says; 'ready' tells that its handlers are in place.
writeFileSync(
  program,
  `import { appendFileSync } from 'node:fs';
const [mode] = process.argv.slice(2);
if (mode === 'counted') appendFileSync('${loads}', '.');
if (mode === 'fail') { console.error('no good'); process.exit(3); }
process.once('disconnect', () => process.exit(4));
process.on('message', (m) => { if (m.kind === 'ping' && mode !== 'stuck') process.send({ kind: 'pong' });
  if (m.kind === 'serve') { if (mode === 'fail-later') process.exit(3); process.send({ kind: 'serving' }); console.error('ready ' + process.pid); if (mode === 'stuck') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0); }
  if (m.kind === 'stop' && mode !== 'deaf') { console.error('bye'); process.exit(0); } });
process.on('SIGTERM', () => undefined);
setInterval(() => undefined, 1000);
process.send({ kind: 'ready' });
if (mode === 'chatty') process.stderr.write('x'.repeat(40000));
`,
);
afterAll(() => rmSync(directory, { recursive: true }));

const slot = (brokerId: number): BrokerSlot => ({ brokerId, zone: 'a', volume: '/v', address: '/a' });
const cleanUps: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

function setUp(mode: string, file = program, spares = 0) {
  const lines: string[] = [];
  const exits: number[] = [];
  const waiting: (() => void)[] = [];
  const wake = (): void => {
    for (const check of waiting) check();
  };
  const fleet = processFleet({
    clock: systemClock,
    program: file,
    spares,
    arguments: [mode],
    home: { data: directory, notes: directory },
    log(brokerId, line) {
      lines.push(`${brokerId}: ${line}`);
      wake();
    },
  });
  fleet.onExit((brokerId) => {
    exits.push(brokerId);
    wake();
  });
  const hung: string[] = [];
  fleet.onHung?.((brokerId, reason) => {
    hung.push(`${brokerId}: ${reason}`);
    wake();
  });
  cleanUps.push(
    () => fleet.kill(1),
    () => fleet.close(),
  );
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
  return { fleet, lines, exits, hung, until, pid };
}

describe('a fleet of processes', () => {
  it('ends a broker gracefully, forwards its output, and can start it again', async () => {
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

  it('kills a broker that is stopped by a signal and receives nothing', async () => {
    const { fleet, exits, pid } = setUp('good');
    await fleet.start(slot(1));
    const stopped = await pid();
    process.kill(stopped, 'SIGSTOP');
    await fleet.kill(1);
    expect(isGone(stopped)).toBe(true);
    expect(exits).toEqual([1]);
  });

  it('kills a broker that does not end within the grace period', async () => {
    const { fleet, exits, pid } = setUp('deaf');
    await fleet.start(slot(1));
    const deaf = await pid();
    await fleet.stop(1, 20);
    expect(isGone(deaf)).toBe(true);
    expect(exits).toEqual([1]);
  });

  it('reports a broker that ends by itself, with its last output', async () => {
    const { fleet, lines, exits, until } = setUp('fail');
    await fleet.start(slot(1));
    await until(() => exits.length === 1 && lines.includes('1: no good'));
  });

  it('reports a missing program as an exit', async () => {
    const { fleet, exits, until } = setUp('good', join(directory, 'missing.mjs'));
    await fleet.start(slot(1));
    await until(() => exits.length === 1);
  });

  it('forwards an unfinished line while the broker runs', async () => {
    const { fleet, lines, until } = setUp('chatty');
    await fleet.start(slot(1));
    await until(() => lines.some((line) => line.startsWith('1: xxx')));
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(100_000);
  });

  it('does nothing to end a slot without a process', async () => {
    const { fleet, exits } = setUp('good');
    await fleet.kill(1);
    await fleet.stop(1, 10);
    expect(exits).toEqual([]);
  });
});

describe('processes that stand by', () => {
  it('are loaded before their slot is known, and used by the first start', async () => {
    const { fleet, lines, until } = setUp('good');
    await fleet.standby(1);
    expect(lines).toEqual([]);
    await fleet.start(slot(1));
    await until(() => lines.some((line) => line.startsWith('1: ready')));
    await fleet.stop(1, 60_000);
  });

  it('are kept one for each slot that asks', async () => {
    const { fleet, lines, until } = setUp('good');
    await Promise.all([1, 2, 3, 1].map((brokerId) => fleet.standby(brokerId)));
    for (const brokerId of [1, 2, 3]) await fleet.start(slot(brokerId));
    await until(() => [1, 2, 3].every((id) => lines.some((line) => line.startsWith(`${id}: ready`))));
    expect(new Set(lines.map((line) => line.split(' ')[2])).size).toBe(3);
    await Promise.all([2, 3].map((brokerId) => fleet.kill(brokerId)));
  });

  it('are loaded ahead for whichever slot asks first, one for each request', async () => {
    const { fleet, lines, until } = setUp('counted');
    fleet.loadAhead(3);
    await fleet.standby(3);
    await fleet.start(slot(3));
    await Promise.all([2, 1].map((brokerId) => fleet.standby(brokerId)));
    for (const brokerId of [1, 2]) await fleet.start(slot(brokerId));
    await until(() => [1, 2, 3].every((id) => lines.some((line) => line.startsWith(`${id}: ready`))));
    expect(readFileSync(loads, 'utf8')).toBe('...');
    await Promise.all([2, 3].map((brokerId) => fleet.kill(brokerId)));
  });

  it('are one for whichever slot asks first, however often it is announced', async () => {
    const { fleet, lines, until } = setUp('counted');
    const before = readFileSync(loads, 'utf8');
    for (let dead = 0; dead < 3; dead++) fleet.prepare();
    await fleet.standby(3);
    await fleet.start(slot(3));
    await until(() => lines.some((line) => line.startsWith('3: ready')));
    expect(readFileSync(loads, 'utf8')).toBe(`${before}.`);
    await fleet.kill(3);
  });

  it('do not delay a start if the program fails to load: the start says why', async () => {
    const { fleet, lines, exits, until } = setUp('fail');
    await fleet.standby(1);
    await fleet.start(slot(1));
    await until(() => exits.length === 1 && lines.includes('1: no good'));
  });

  it('end with the fleet', async () => {
    const { fleet, lines } = setUp('good', program, 1);
    await fleet.standby(1);
    await fleet.close();
    expect(lines).toEqual([]);
  });
});

// Where the system does not tell what a process does, a hung one is left to its lease.
describe.runIf(process.platform === 'linux')('a broker that hangs', () => {
  it.each([
    ['process stopped', 'good'],
    ['event loop stuck', 'stuck'],
  ])('is reported: %s', async (reason, mode) => {
    const { fleet, hung, until, pid } = setUp(mode);
    await fleet.start(slot(1));
    const child = await pid();
    if (mode === 'good') process.kill(child, 'SIGSTOP');
    await until(() => hung.includes(`1: ${reason}`));
  });
});

it('ids that do not name exactly one other process count as gone', () => {
  expect(isGone(0)).toBe(true);
  expect(isGone(-1)).toBe(true);
  expect(isGone(process.pid)).toBe(true);
  expect(isGone(process.ppid)).toBe(false);
});
