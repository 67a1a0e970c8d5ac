/** Over real processes, at the pace of a clock that the test moves. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { manualClock } from '../../engine/kernel/manual-clock.ts';
import { hangLookIntervalMs } from './hang.ts';
import { HangWatch } from './hang-watch.ts';
import { processStateNow } from './process-state.ts';

interface Asked {
  readonly pid: number;
  answers: boolean;
}

const started: ChildProcess[] = [];
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
});

/** One that waits for its timer; it has nothing to do before that. */
async function idle(): Promise<Asked & { readonly child: ChildProcess }> {
  const child = spawn(process.execPath, ['-e', 'setTimeout(() => undefined, 3_600_000); console.log("up")'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  started.push(child);
  await once(child.stdout!, 'data');
  const pid = child.pid!;
  await expect.poll(() => processStateNow(pid), { timeout: 20_000 }).toBe('S');
  return { child, pid, answers: true };
}

async function signalled(child: ChildProcess, signal: 'SIGSTOP' | 'SIGCONT'): Promise<void> {
  child.kill(signal);
  const letter = signal === 'SIGSTOP' ? 'T' : 'S';
  await expect.poll(() => processStateNow(child.pid!), { timeout: 20_000 }).toBe(letter);
}

function watching() {
  const clock = manualClock();
  const told: string[] = [];
  let looks = 0;
  let looked: () => void = () => undefined;
  const watch = new HangWatch<Asked>({
    clock,
    answered: ({ answers }) => answers,
    looked() {
      looks++;
      looked();
    },
  });
  watch.onHung((brokerId, reason) => told.push(`${brokerId}: ${reason}`));
  /** Resolves when it has looked so often. */
  const look = async (times: number): Promise<void> => {
    for (let n = 0; n < times; n++) {
      const done = new Promise<void>((resolve) => (looked = resolve));
      await clock.advance(hangLookIntervalMs);
      await done;
    }
  };
  return { clock, watch, look, told, looks: () => looks };
}

describe.skipIf(!existsSync('/proc/self/stat'))('HangWatch', () => {
  it('reports a process that stays stopped, but not one that was held up for a moment', async () => {
    const { watch, look, told } = watching();
    const [serving, stopped, heldUp] = [await idle(), await idle(), await idle()];
    watch.add(1, serving);
    watch.add(2, stopped);
    watch.add(3, heldUp);
    await look(1);
    await signalled(heldUp.child, 'SIGSTOP');
    await look(2);
    await signalled(heldUp.child, 'SIGCONT');
    await look(1);
    expect(told).toEqual([]);
    await signalled(stopped.child, 'SIGSTOP');
    await look(3);
    expect(told).toEqual(['2: process stopped']);
  });

  it('reports a process that sleeps over a question, but none if several do', async () => {
    const { watch, look, told } = watching();
    const [first, second] = [await idle(), await idle()];
    watch.add(1, first);
    watch.add(2, second);
    first.answers = false;
    second.answers = false;
    await look(15);
    expect(told).toEqual([]);
    second.answers = true;
    // At the next one, unless the idle process was on the processor for a moment.
    for (let n = 0; n < 100 && told.length === 0; n++) await look(1);
    expect(told).toEqual(['1: event loop stuck']);
  });

  it('starts over with the next process of a slot', async () => {
    const { watch, look, told } = watching();
    const [before, next] = [await idle(), await idle()];
    watch.add(1, before);
    await look(1);
    await signalled(before.child, 'SIGSTOP');
    await signalled(next.child, 'SIGSTOP');
    await look(2);
    watch.remove(1);
    watch.add(1, next);
    await look(2);
    expect(told).toEqual([]);
    await look(1);
    expect(told).toEqual(['1: process stopped']);
  });

  it('ignores a process that has ended, pauses when there is none, and resumes when there is one', async () => {
    const { clock, watch, look, told, looks } = watching();
    const one = await idle();
    watch.add(1, one);
    await look(1);
    one.child.kill('SIGKILL');
    await once(one.child, 'exit');
    await look(5);
    expect(told).toEqual([]);
    watch.remove(1);
    await look(1);
    const before = looks();
    await clock.advance(10 * hangLookIntervalMs);
    expect(looks()).toBe(before);
    watch.add(2, await idle());
    await look(2);
    expect(looks()).toBe(before + 2);
  });
});
