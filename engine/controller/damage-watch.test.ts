import { describe, expect, it } from 'vitest';
import { manualClock } from '../kernel/manual-clock.ts';
import { seededRandom } from '../kernel/random.ts';
import { damageKey, type DamageRow, encodeDamage } from '../log/rows/damage.ts';
import { type StoreOp, storeTokenMs, StoreUnavailable } from '../ports.ts';
import { memoryStore, type StoreFault, type StoreOperation } from '../store-memory.ts';
import { DamageWatch } from './damage-watch.ts';
import { eventRing } from './events.ts';

function found(fileId: string, position = 0, where: Partial<DamageRow> = {}): StoreOp {
  const value = encodeDamage({ fileId, position, what: 'other bytes', foundAtMs: 1, ...where });
  return { op: 'put', key: damageKey(fileId, position), value };
}

function mended(fileId: string, position = 0): StoreOp {
  return { op: 'delete', key: damageKey(fileId, position) };
}

function world() {
  const clock = manualClock();
  const rows = memoryStore({ clock });
  /** Of reads by the watch, and of the changes that reach it. */
  const fault: { of: (operation: StoreOperation) => StoreFault | undefined } = { of: () => undefined };
  const store = rows.connect((operation) => fault.of(operation));
  const events = eventRing(clock, 100);
  let isStopped = false;
  const persistence = { store, clock, random: seededRandom(1), stopped: () => isStopped };
  const watch = new DamageWatch(persistence, events);
  return {
    clock,
    rows,
    events,
    fault,
    watch,
    stop: () => {
      isStopped = true;
      watch.stop();
    },
    shown: () => watch.list().map(({ fileId, position }) => `${fileId}@${position}`),
    told: () => events.list().map(({ kind, detail }) => `${kind} ${detail['fileId']}@${detail['position']}`),
  };
}

describe('the watch over damage', () => {
  it('shows what was found before and after its start until it is mended, each told once', async () => {
    const { clock, rows, events, watch, shown, told, stop } = world();
    await rows.transact([found('b', 7)]);
    watch.start();
    await clock.settle();
    await rows.transact([found('a'), found('b', 2)]);
    await rows.transact([found('b', 2)]);
    await clock.settle();
    expect(shown()).toEqual(['a@0', 'b@2', 'b@7']);
    await rows.transact([mended('b', 7), mended('c')]);
    await clock.settle();
    expect(shown()).toEqual(['a@0', 'b@2']);
    expect(told()).toEqual(['segment-damaged b@7', 'segment-damaged a@0', 'segment-damaged b@2', 'segment-mended b@7']);
    const where = { topicId: 'orders', partition: 3, fromOffset: 5 };
    await rows.transact([found('z', 1, where)]);
    await clock.settle();
    expect(events.list().at(-1)?.detail).toEqual({ fileId: 'z', position: 1, ...where });
    await rows.transact([mended('z', 1)]);
    await clock.settle();
    stop();
    await rows.transact([found('d')]);
    await clock.settle();
    expect(shown()).toEqual(['a@0', 'b@2']);
  });

  it('shows what changes while it reads as it is afterwards', async () => {
    const { clock, rows, fault, watch, shown, told } = world();
    await rows.transact([found('old'), found('lasting')]);
    fault.of = ({ op }) => (op === 'range' ? { replyDelayMs: 50 } : undefined);
    watch.start();
    await clock.advance(10);
    await rows.transact([mended('old'), found('new')]);
    await clock.advance(100);
    expect(shown()).toEqual(['lasting@0', 'new@0']);
    expect(told()).toEqual(['segment-damaged new@0', 'segment-damaged lasting@0']);
  });

  it('reads again until the store answers', async () => {
    const { clock, rows, fault, watch, shown } = world();
    await rows.transact([found('a')]);
    fault.of = ({ op }) => {
      if (op === 'range') throw new StoreUnavailable('away');
      return undefined;
    };
    watch.start();
    await clock.advance(storeTokenMs);
    expect(shown()).toEqual([]);
    fault.of = () => undefined;
    await clock.advance(1_000);
    expect(shown()).toEqual(['a@0']);
  });

  it('learns of what it missed, even if more is missed while it reads', async () => {
    const { clock, rows, fault, watch, shown, told } = world();
    await rows.transact([found('a')]);
    watch.start();
    await clock.settle();
    let isDeaf = true;
    fault.of = ({ op }) => {
      if (op === 'deliver' && isDeaf) throw new StoreUnavailable('lost');
      return op === 'range' ? { replyDelayMs: 200 } : undefined;
    };
    await rows.transact([mended('a'), found('b')]);
    await clock.settle();
    expect(shown()).toEqual(['a@0']);
    isDeaf = false;
    await clock.advance(100);
    isDeaf = true;
    await rows.transact([found('c')]);
    await clock.settle();
    isDeaf = false;
    await clock.advance(1_000);
    expect(shown()).toEqual(['b@0', 'c@0']);
    expect(told()).toEqual(['segment-damaged a@0', 'segment-damaged b@0', 'segment-mended a@0', 'segment-damaged c@0']);
  });
});
