import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { manualClock } from '../../engine/kernel/manual-clock.ts';
import { type Answer, type Beside, InOrder } from './in-order.ts';
import { Throttle } from './throttle.ts';

const limits = { requestsInFlightMax: 4, requestBytesInFlightMax: 100 };

interface Started {
  readonly id: number;
  readonly beside: Beside;
  readonly answer: Answer;
}

function queue(): {
  inOrder: InOrder;
  running: Started[];
  started: number[];
  sent: number[];
  besides: Map<number, Beside>;
} {
  const running: Started[] = [];
  const started: number[] = [];
  const sent: number[] = [];
  const besides = new Map<number, Beside>();
  const inOrder = new InOrder(limits, {
    start(frame, _receivedMs, answer) {
      const id = frame.readInt32BE(0);
      started.push(id);
      running.push({ id, beside: besides.get(id)!, answer });
    },
    send: ([part]) => void sent.push(Buffer.from(part!).readInt32BE(0)),
  });
  return { inOrder, running, started, sent, besides };
}

function frameOf(id: number, bytes = 8): Buffer {
  const frame = Buffer.alloc(bytes);
  frame.writeInt32BE(id);
  return frame;
}

describe('InOrder', () => {
  it('starts and answers in order, whatever finishes when, within its limits', () => {
    const beside = fc.constantFrom<Beside>('free', 'fetch', 'alone');
    const step = fc.oneof(
      fc.record({ add: beside, bytes: fc.integer({ min: 4, max: 150 }) }),
      fc.record({ finish: fc.nat() }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const { inOrder, running, started, sent, besides } = queue();
        let next = 0;
        const check = (): void => {
          const fetches = running.filter((each) => each.beside === 'fetch').length;
          const alone = running.filter((each) => each.beside === 'alone').length;
          expect(fetches).toBeLessThanOrEqual(1);
          if (alone > 0) expect(running).toHaveLength(1);
          expect(running.length).toBeLessThanOrEqual(limits.requestsInFlightMax);
        };
        const finish = (index: number): void => {
          const [done] = running.splice(index, 1);
          done!.answer([frameOf(done!.id)]);
        };
        for (const each of steps) {
          if ('add' in each) {
            besides.set(next, each.add);
            inOrder.add(frameOf(next++, each.bytes), 0, each.add);
          } else if (running.length > 0) finish(each.finish % running.length);
          check();
        }
        while (running.length > 0) finish(0);
        const all = Array.from({ length: next }, (_, i) => i);
        expect(started).toEqual(all);
        expect(sent).toEqual(all);
        expect(inOrder.isEmpty()).toBe(true);
      }),
    );
  });

  it('starts nothing while held, and says that it is full', () => {
    const { inOrder, started, besides } = queue();
    inOrder.hold(true);
    besides.set(0, 'free');
    inOrder.add(frameOf(0), 0, 'free');
    expect(started).toEqual([]);
    expect(inOrder.isFull()).toBe(true);
    inOrder.hold(false);
    expect(started).toEqual([0]);
    expect(inOrder.isFull()).toBe(false);
  });

  it('starts thousands of requests that are answered at once, one after the other', () => {
    const sent: number[] = [];
    const inOrder = new InOrder(limits, {
      start: (frame, _receivedMs, answer) => answer([frame]),
      send: ([part]) => void sent.push(Buffer.from(part!).readInt32BE(0)),
    });
    const ids = Array.from({ length: 5_000 }, (_, id) => id);
    inOrder.hold(true);
    for (const id of ids) inOrder.add(frameOf(id), 0, 'alone');
    inOrder.hold(false);
    expect(sent).toEqual(ids);
    expect(inOrder.isEmpty()).toBe(true);
  });

  it('sends nothing for a request without an answer', () => {
    const { inOrder, running, sent, besides } = queue();
    for (const id of [0, 1]) {
      besides.set(id, 'free');
      inOrder.add(frameOf(id), 0, 'free');
    }
    running[1]!.answer([frameOf(1)]);
    expect(sent).toEqual([]);
    running[0]!.answer(undefined);
    expect(sent).toEqual([1]);
  });
});

describe('Throttle', () => {
  it('mutes for the longest delay', async () => {
    const clock = manualClock();
    const changes: boolean[] = [];
    const throttle: Throttle = new Throttle(clock, () => changes.push(throttle.isMuted));
    throttle.mute(100);
    throttle.mute(50);
    await clock.advance(60);
    expect(throttle.isMuted).toBe(true);
    throttle.mute(100);
    await clock.advance(60);
    expect(throttle.isMuted).toBe(true);
    await clock.advance(40);
    expect(throttle.isMuted).toBe(false);
    expect(changes.at(-1)).toBe(false);
  });
});
