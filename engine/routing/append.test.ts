import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AppendResult } from '../engine.ts';
import { errorCode, volumeFullCode } from '../protocol/error-codes.ts';
import { batchOf, keyOf, topicId, type World, world } from './scripted-broker.suite.ts';
import { routingDefaults } from './settings.ts';

interface Sent {
  readonly id: number;
  readonly partition: number;
  readonly idempotent: boolean;
  results: AppendResult[];
  /** Whether nothing reads the records any more. */
  isFree: boolean;
}

function append(w: World, id: number, partition = 0, idempotent = true, timeoutMs = 60_000): Sent {
  const sent: Sent = { id, partition, idempotent, results: [], isFree: false };
  w.routing.append({
    topicId,
    partition,
    records: batchOf(id),
    idempotent,
    timeoutMs,
    done(result, recordsAreFree) {
      sent.results.push(result);
      sent.isFree = recordsAreFree === true;
    },
  });
  return sent;
}

const codes = (...sent: Sent[]): (number | undefined)[] =>
  sent.map((each) => (each.results.length === 1 ? each.results[0]!.errorCode : undefined));
const offsets = (...sent: Sent[]): (number | undefined)[] => sent.map((each) => each.results[0]?.baseOffset);
const ids = (w: World, index = 0): number[] => w.logs.ids(keyOf(topicId, index));

describe('appends', () => {
  it('of one turn leave in one frame per broker, in order', async () => {
    const w = await world([1, 1, 2]);
    append(w, 0, 0);
    append(w, 1, 1);
    append(w, 2, 2);
    await w.clock.settle();
    const sent = [3, 4, 5, 6].map((id) => append(w, id, 0)).concat(append(w, 7, 1), append(w, 8, 2));
    await w.clock.settle();
    expect(codes(...sent)).toEqual([0, 0, 0, 0, 0, 0]);
    expect(offsets(...sent)).toEqual([1, 2, 3, 4, 1, 1]);
    expect(w.broker(1).count(0)).toBe(2);
    expect(w.broker(2).count(0)).toBe(2);
    expect(w.routing.metrics()['appendQueuedBytes']).toBe(0);
  });

  it('are pipelined once the owner has accepted a batch', async () => {
    const w = await world([1]);
    append(w, 0);
    await w.clock.settle();
    w.broker(1).replyMs = () => 10;
    const sent: Sent[] = [];
    for (let id = 1; id <= 3; id++) {
      sent.push(append(w, id));
      await w.clock.settle();
    }
    expect(w.broker(1).count(0)).toBe(4);
    expect(codes(...sent)).toEqual([undefined, undefined, undefined]);
    await w.clock.advance(10);
    expect(offsets(...sent)).toEqual([1, 2, 3]);
  });

  it('are split into frames by size, in order', async () => {
    const w = await world([1], { produceBytesMax: 200 });
    append(w, 0);
    await w.clock.settle();
    const sent = [1, 2, 3, 4, 5, 6, 7].map((id) => append(w, id));
    await w.clock.settle();
    expect(ids(w)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(codes(...sent).every((code) => code === 0)).toBe(true);
    expect(w.broker(1).count(0)).toBe(1 + 4);
  });

  it('that the link to their broker refuses at once do not keep the turn from ending', async () => {
    const link = { ...routingDefaults.link, inFlightMax: 1, queuedBytesMax: 100 };
    const w = await world([1], { produceBytesMax: 200, link });
    append(w, 0);
    await w.clock.settle();
    const sent = [1, 2, 3, 4, 5, 6, 7].map((id) => append(w, id));
    await w.clock.advance(1000);
    expect(ids(w)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(codes(...sent).every((code) => code === 0)).toBe(true);
  });

  it('wait for an owner, and are sent in order once there is one', async () => {
    const w = await world([-1]);
    const sent = [append(w, 0)];
    await w.clock.advance(500);
    sent.push(append(w, 1));
    await w.clock.advance(500);
    expect(codes(...sent)).toEqual([undefined, undefined]);
    w.move(0, 2);
    await w.clock.settle();
    expect(offsets(...sent)).toEqual([0, 1]);
  });

  it('get NOT_LEADER when the hold time is over, not before', async () => {
    const w = await world([-1]);
    const early = append(w, 0);
    await w.clock.advance(1000);
    const late = append(w, 1);
    await w.clock.advance(950);
    expect(codes(early, late)).toEqual([undefined, undefined]);
    await w.clock.advance(100);
    // Of one idempotent producer: the first is given up, and with it what came behind it.
    expect(codes(early, late)).toEqual([6, 6]);
    const [first, second] = [append(w, 2, 0, false), append(w, 3, 0, false)];
    await w.clock.advance(2050);
    expect(codes(first, second)).toEqual([6, 6]);
    expect(w.routing.metrics()['appendQueuedBytes']).toBe(0);
  });

  it('behind a given-up one are given up as well, until that one has returned', async () => {
    const w = await world([-1]);
    const first = append(w, 0);
    await w.clock.advance(2050);
    // An owner is there; what was on the wire meanwhile must not be stored before its predecessor.
    w.move(0, 1);
    const onTheWire = [append(w, 1), append(w, 2)];
    await w.clock.settle();
    expect(codes(first, ...onTheWire)).toEqual([6, 6, 6]);
    expect(onTheWire.map(({ isFree }) => isFree)).toEqual([true, true]);
    const again = [append(w, 0), append(w, 1), append(w, 2)];
    await w.clock.settle();
    expect(codes(...again)).toEqual([0, 0, 0]);
    expect(ids(w)).toEqual([0, 1, 2]);
  });

  it('that return behind a given-up one are not sent before it, even if it has returned since', async () => {
    const w = await world([1]);
    append(w, 0);
    await w.clock.settle();
    // a is refused at once. The refusal of b takes longer than a may wait.
    w.logs.owners.set(keyOf(topicId, 0), { brokerId: 2, epoch: 1 });
    w.broker(1).replyMs = () => 10;
    const a = append(w, 1);
    await w.clock.settle();
    w.broker(1).replyMs = () => 2500;
    const b = append(w, 2);
    await w.clock.advance(2200);
    expect(codes(a, b)).toEqual([6, undefined]);
    const again = append(w, 1);
    w.catalogue.place('c1.orders', 0, 2, 1);
    await w.clock.advance(1000);
    const behind = append(w, 3);
    await w.clock.settle();
    expect(codes(a, b, again, behind)).toEqual([6, 6, 0, 6]);
    const rest = [append(w, 2), append(w, 3)];
    await w.clock.settle();
    expect(codes(...rest)).toEqual([0, 0]);
    expect(ids(w)).toEqual([0, 1, 2, 3]);
  });

  it('before a given-up one stay in order, also with one that is still with a broker', async () => {
    const w = await world([1]);
    append(w, 0);
    await w.clock.settle();
    // a comes back after c has begun to wait, so c is given up first; b comes back last.
    w.logs.owners.set(keyOf(topicId, 0), { brokerId: 2, epoch: 1 });
    w.broker(1).replyMs = () => 1500;
    const a = append(w, 1);
    await w.clock.settle();
    w.broker(1).replyMs = () => 2500;
    const b = append(w, 2);
    await w.clock.settle();
    w.catalogue.place('c1.orders', 0, -1, 0);
    const c = append(w, 3);
    await w.clock.advance(2200);
    expect(codes(a, b, c)).toEqual([undefined, undefined, 6]);
    await w.clock.advance(400);
    w.catalogue.place('c1.orders', 0, 2, 1);
    await w.clock.settle();
    expect(codes(a, b)).toEqual([0, 0]);
    expect(ids(w)).toEqual([0, 1, 2]);
  });

  it('give up after their own timeout if that is shorter', async () => {
    const w = await world([-1]);
    const sent = append(w, 0, 0, true, 300);
    await w.clock.advance(350);
    expect(codes(sent)).toEqual([7]);
  });

  it('to an unknown topic are refused soon', async () => {
    const w = await world([1]);
    w.catalogue.removeTopic('c1.orders');
    const sent = append(w, 0);
    await w.clock.advance(400);
    expect(codes(sent)).toEqual([undefined]);
    await w.clock.advance(200);
    expect(codes(sent)).toEqual([100]);
  });

  it('are refused at once beyond the bytes that may wait', async () => {
    const w = await world([-1, -1], { heldBytesPerPartitionMax: 140, heldBytesMax: 210 });
    const sent = [append(w, 0), append(w, 1), append(w, 2), append(w, 3, 1), append(w, 4, 1)];
    expect(codes(...sent)).toEqual([undefined, undefined, 6, undefined, 6]);
    w.move(0, 1);
    w.move(1, 1);
    await w.clock.settle();
    expect(codes(...sent)).toEqual([0, 0, 6, 0, 6]);
    const again = [append(w, 2), append(w, 4, 1)];
    await w.clock.settle();
    expect(codes(...again)).toEqual([0, 0]);
  });

  it('that an owner sent back count among the bytes that may wait', async () => {
    const w = await world([1], { heldBytesPerPartitionMax: 140 });
    for (let round = 0; round < 3; round++) {
      let refusals = 3;
      w.broker(1).produceFault = () => (refusals-- > 0 ? 6 : undefined);
      // The one that was refused for want of room comes again.
      const first = append(w, round * 2);
      await w.clock.settle();
      expect(w.broker(1).count(0)).toBeGreaterThan(0);
      const sent = [append(w, round * 2 + 1), append(w, round * 2 + 2)];
      expect(codes(first, ...sent)).toEqual([undefined, undefined, 6]);
      await w.clock.advance(1_000);
      expect(codes(first, ...sent)).toEqual([0, 0, 6]);
      expect(w.routing.metrics()['appendQueuedBytes']).toBe(0);
    }
  });

  it('follow a move in order while answers of the old owner are in flight', async () => {
    const w = await world([1]);
    append(w, 0);
    await w.clock.settle();
    // a is refused at once, b's refusal is slow; meanwhile the catalogue names broker 2 and c arrives.
    w.logs.owners.set(keyOf(topicId, 0), { brokerId: 2, epoch: 1 });
    w.broker(1).replyMs = () => 0;
    const a = append(w, 1);
    await w.clock.settle();
    w.broker(1).replyMs = () => 100;
    w.catalogue.place('c1.orders', 0, 2, 1);
    const b = append(w, 2);
    const c = append(w, 3);
    await w.clock.advance(200);
    expect(codes(a, b, c)).toEqual([0, 0, 0]);
    expect(ids(w)).toEqual([0, 1, 2, 3]);
  });

  it('that an owner refuses without moving wait for all refusals before the next try', async () => {
    const w = await world([1]);
    append(w, 0);
    await w.clock.settle();
    // a and b are refused; the refusal of b takes 100 ms, longer than the pause after that of a. c arrives in between.
    const refused = new Set([1, 2]);
    w.broker(1).produceFault = (_, batch) => (refused.delete(batch.readInt32BE(53)) ? 6 : undefined);
    w.broker(1).replyMs = () => 10;
    const a = append(w, 1);
    await w.clock.settle();
    w.broker(1).replyMs = () => 100;
    const b = append(w, 2);
    await w.clock.advance(30);
    const c = append(w, 3);
    await w.clock.advance(500);
    expect(codes(a, b, c)).toEqual([0, 0, 0]);
    expect(ids(w)).toEqual([0, 1, 2, 3]);
  });

  it('that a new owner refuses are retried one at a time until it has accepted one', async () => {
    const w = await world([1]);
    let refusals = 3;
    w.broker(1).produceFault = () => (refusals-- > 0 ? 6 : undefined);
    const sent: Sent[] = [];
    for (let id = 0; id < 5; id++) {
      sent.push(append(w, id));
      await w.clock.advance(3);
    }
    await w.clock.advance(500);
    expect(codes(...sent)).toEqual([0, 0, 0, 0, 0]);
    expect(ids(w)).toEqual([0, 1, 2, 3, 4]);
  });

  it('right after a topic was created survive UNKNOWN_TOPIC_ID', async () => {
    const w = await world([1]);
    w.broker(1).produceFault = () => 100;
    const sent = append(w, 0);
    await w.clock.advance(100);
    w.broker(1).produceFault = () => undefined;
    await w.clock.advance(300);
    expect(codes(sent)).toEqual([0]);
  });

  it('of unknown outcome are repeated if idempotent, otherwise answered; the others keep their order', async () => {
    const w = await world([1]);
    append(w, 0);
    await w.clock.settle();
    w.broker(1).replyMs = () => 50;
    const sent = [append(w, 1, 0, true), append(w, 2, 0, false), append(w, 3, 0, true)];
    await w.clock.settle();
    expect(ids(w)).toEqual([0, 1, 2, 3]);
    w.network.cut(w.address(1));
    const behind = append(w, 4, 0, false);
    await w.clock.advance(200);
    expect(codes(...sent, behind)).toEqual([0, 7, 0, 0]);
    expect(ids(w)).toEqual([0, 1, 2, 3, 4]);
    expect(offsets(...sent, behind)).toEqual([1, -1, 3, 4]);
    // What was with the link that ended may still be read by its socket, though another took it since.
    expect([...sent, behind].map(({ isFree }) => isFree)).toEqual([false, false, false, true]);
  });

  it('that a lost broker may have stored are not reported as unstored if no other broker accepts them', async () => {
    const w = await world([1]);
    append(w, 0);
    await w.clock.settle();
    w.broker(1).replyMs = () => 50;
    const sent = append(w, 1);
    await w.clock.settle();
    w.network.refuse(w.address(1));
    w.network.cut(w.address(1));
    const never = append(w, 2);
    await w.clock.advance(2100);
    expect(ids(w)).toEqual([0, 1]);
    expect(codes(sent, never)).toEqual([7, 6]);
  });

  it('that a full broker refuses wait for room, and are reported as unstored if none comes', async () => {
    const w = await world([1]);
    append(w, 0);
    await w.clock.settle();
    let fault: number | undefined = volumeFullCode;
    w.broker(1).produceFault = () => fault;
    const plain = append(w, 1, 0, false);
    const early = append(w, 2);
    await w.clock.advance(500);
    expect(codes(plain, early)).toEqual([volumeFullCode, undefined]);
    fault = undefined;
    await w.clock.advance(1_000);
    expect(codes(early)).toEqual([0]);
    fault = volumeFullCode;
    const never = append(w, 3);
    await w.clock.advance(2_100);
    expect(codes(never)).toEqual([volumeFullCode]);
    expect(ids(w)).toEqual([0, 2]);
  });

  it('that a broker may have stored are not reported as unstored because it has no room later', async () => {
    const w = await world([1]);
    append(w, 0);
    await w.clock.settle();
    let fault: number = errorCode.kafkaStorageError;
    w.broker(1).produceFault = () => fault;
    const unknown = append(w, 1);
    await w.clock.settle();
    fault = volumeFullCode;
    await w.clock.advance(2_100);
    expect(codes(unknown)).toEqual([errorCode.requestTimedOut]);
  });

  it('do not wait for ever for a hanging former owner', async () => {
    const w = await world([1]);
    append(w, 0);
    await w.clock.settle();
    w.network.stall(w.address(1));
    const lost = [append(w, 1), append(w, 2, 0, false)];
    await w.clock.settle();
    w.move(0, 2);
    const next = append(w, 3);
    await w.clock.advance(400);
    expect(codes(...lost, next)).toEqual([undefined, undefined, undefined]);
    await w.clock.advance(300);
    expect(codes(...lost, next)).toEqual([0, 7, 0]);
    expect(ids(w)).toEqual([0, 1, 3]);
  });

  it('wait as long for each former owner, however they waited for an earlier one', async () => {
    const w = await world([1]);
    append(w, 0);
    await w.clock.settle();
    for (const [id, brokerId] of [1, 2, 1].entries()) {
      const former = w.broker(brokerId);
      former.replyMs = () => 400;
      const sent = append(w, 10 + id, 0, false);
      await w.clock.settle();
      w.move(0, 3 - brokerId);
      const next = append(w, 20 + id);
      await w.clock.advance(390);
      expect(codes(sent, next)).toEqual([undefined, undefined]);
      await w.clock.advance(20);
      former.replyMs = () => 0;
      await w.clock.advance(100);
      expect(codes(sent, next)).toEqual([0, 0]);
    }
    expect(w.routing.metrics()['appendUnknownFates']).toBe(0);
  });

  it('that a broker has when their topic is deleted are answered by it, and then nothing is remembered', async () => {
    const w = await world([1]);
    append(w, 0);
    await w.clock.settle();
    w.broker(1).replyMs = () => 10;
    const sent = [append(w, 1), append(w, 2, 0, false)];
    await w.clock.settle();
    w.catalogue.removeTopic('c1.orders');
    const late = append(w, 3);
    await w.clock.advance(10);
    expect(codes(...sent, late)).toEqual([0, 0, undefined]);
    await w.clock.advance(1_000);
    expect(codes(late)).toEqual([errorCode.unknownTopicId]);
    expect(w.routing.metrics()['appendRoutes']).toBe(0);
  });

  it('leave nothing behind when their topic is deleted while a broker has the last of them', async () => {
    const w = await world([1]);
    append(w, 0);
    await w.clock.settle();
    w.broker(1).replyMs = () => 10;
    const sent = append(w, 1);
    await w.clock.settle();
    w.catalogue.removeTopic('c1.orders');
    await w.clock.advance(1_000);
    expect(codes(sent)).toEqual([0]);
    expect(w.routing.metrics()['appendRoutes']).toBe(0);
  });

  it('are answered within their timeout while a broker is silent, and keep their places', async () => {
    const w = await world([1]);
    append(w, 0);
    await w.clock.settle();
    w.network.stall(w.address(1));
    const idempotent = append(w, 1, 0, true, 3_000);
    const plain = append(w, 2, 0, false, 3_000);
    const patient = append(w, 3);
    await w.clock.advance(2_900);
    expect(codes(idempotent, plain, patient)).toEqual([undefined, undefined, undefined]);
    await w.clock.advance(400);
    expect(codes(idempotent, plain, patient)).toEqual([7, 7, undefined]);
    expect([idempotent, plain].map(({ isFree }) => isFree)).toEqual([false, false]);
    const again = append(w, 1);
    w.network.flow(w.address(1));
    await w.clock.advance(100);
    expect(codes(idempotent, plain, patient, again)).toEqual([7, 7, 0, 0]);
    expect(ids(w)).toEqual([0, 1, 2, 3]);
    expect(offsets(again)).toEqual([1]);
  });

  it('that were answered within their timeout get no second answer when the broker is gone', async () => {
    const w = await world([1]);
    append(w, 0);
    await w.clock.settle();
    w.network.stall(w.address(1));
    const idempotent = append(w, 1, 0, true, 1_000);
    const plain = append(w, 2, 0, false, 1_000);
    await w.clock.advance(1_300);
    const again = [append(w, 1), append(w, 3)];
    await w.clock.settle();
    w.move(0, 2);
    await w.clock.advance(1_000);
    expect(codes(idempotent, plain)).toEqual([7, 7]);
    // What was given up for good takes its producer's repeats with it, and those come again: in order, once.
    const later = again.filter(({ results }) => results[0]!.errorCode !== 0).map(({ id }) => append(w, id));
    await w.clock.advance(1_000);
    expect(codes(...later)).toEqual(later.map(() => 0));
    expect(ids(w)).toEqual([0, 1, 3]);
  });

  it('with a timeout of zero are stored by a working owner', async () => {
    const w = await world([1]);
    append(w, 0);
    await w.clock.settle();
    w.broker(1).replyMs = () => 600;
    const sent = append(w, 1, 0, true, 0);
    await w.clock.advance(900);
    expect(codes(sent)).toEqual([0]);
  });

  it('pass a batch error on to its append alone', async () => {
    const w = await world([1]);
    w.broker(1).produceFault = (_, batch) => (batch.readInt32BE(53) === 1 ? 10 : undefined);
    const sent = [append(w, 0), append(w, 1), append(w, 2)];
    await w.clock.settle();
    expect(codes(...sent)).toEqual([0, 10, 0]);
  });

  it('are all answered when routing closes', async () => {
    const w = await world([1, -1]);
    w.broker(1).replyMs = () => 1000;
    const sent = [append(w, 0), append(w, 1, 1)];
    await w.clock.settle();
    sent.push(append(w, 2));
    w.routing.close();
    expect(codes(...sent)).toEqual([7, 6, 6]);
    expect(codes(append(w, 3))).toEqual([6]);
  });
});

type Step =
  | { readonly do: 'append'; readonly partition: number; readonly idempotent: boolean; readonly count: number }
  | { readonly do: 'pass'; readonly ms: number }
  | { readonly do: 'cut' | 'stall' | 'flow' | 'refuse' | 'accept'; readonly broker: number }
  | { readonly do: 'move'; readonly partition: number; readonly broker: number; readonly lagMs: number };

const partitions = 3;
const brokerIds = fc.integer({ min: 1, max: 3 });
const partitionIndexes = fc.integer({ min: 0, max: partitions - 1 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('append' as const),
      partition: partitionIndexes,
      idempotent: fc.boolean(),
      count: fc.integer({ min: 1, max: 3 }),
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(0, 0, 1, 5, 40, 700) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('cut' as const, 'stall' as const, 'flow' as const, 'refuse' as const, 'accept' as const),
      broker: brokerIds,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('move' as const),
      partition: partitionIndexes,
      broker: brokerIds,
      lagMs: fc.constantFrom(0, 0, 3, 30),
    }),
  },
);

it('keeps order, stores idempotent appends exactly once and never duplicates plain ones, whatever happens', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 5, maxLength: 60 }),
      fc.infiniteStream(fc.nat(19)),
      async (steps, chance) => {
        const w = await world([1, 2, 3], { holdMsMax: 1e9 });
        const all: Sent[] = [];
        const plain = new Set<number>();
        const accepted = new Set<string>();
        const random = (): number => chance.next().value as number;
        for (const broker of w.brokers) {
          broker.replyMs = () => random() % 5;
          broker.isDeduplicating = (batch) => !plain.has(batch.readInt32BE(53));
          // A log that is not open yet may refuse; one that has accepted refuses only when it has moved.
          broker.produceFault = (key) => {
            const place = `${key}@${w.logs.owners.get(key)!.epoch}`;
            if (!accepted.has(place) && random() < 6) return 6;
            accepted.add(place);
            return undefined;
          };
        }
        for (const each of steps) {
          if (each.do === 'append') {
            for (let i = 0; i < each.count; i++) {
              if (!each.idempotent) plain.add(all.length);
              all.push(append(w, all.length, each.partition, each.idempotent, 1e9));
            }
          } else if (each.do === 'pass') await w.clock.advance(each.ms);
          else if (each.do === 'move') {
            const key = keyOf(topicId, each.partition);
            const epoch = w.logs.owners.get(key)!.epoch + 1;
            w.logs.owners.set(key, { brokerId: each.broker, epoch });
            w.clock.after(each.lagMs, () => {
              if (w.logs.owners.get(key)!.epoch === epoch) {
                w.catalogue.place('c1.orders', each.partition, each.broker, epoch);
              }
            });
          } else w.network[each.do](w.address(each.broker));
        }
        for (const broker of w.brokers) {
          w.network.flow(w.address(broker.brokerId));
          w.network.accept(w.address(broker.brokerId));
        }
        await w.clock.advance(60_000);
        for (let index = 0; index < partitions; index++) {
          const log = ids(w, index);
          expect(new Set(log).size).toBe(log.length);
          const mine = all.filter((sent) => sent.partition === index);
          const isAcked = new Set(mine.filter((sent) => sent.results[0]?.errorCode === 0).map((sent) => sent.id));
          expect(log.filter((id) => isAcked.has(id))).toEqual([...isAcked]);
          for (const sent of mine) {
            expect(sent.results).toHaveLength(1);
            const { errorCode, baseOffset } = sent.results[0]!;
            if (errorCode === 0) expect(log[baseOffset]).toBe(sent.id);
            else expect({ errorCode, idempotent: sent.idempotent }).toEqual({ errorCode: 7, idempotent: false });
          }
        }
      },
    ),
    { numRuns: 150 },
  );
}, 120_000);
