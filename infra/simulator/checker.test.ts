import { describe, expect, it } from 'vitest';
import { errorCode, unsureCode, volumeFullCode } from '../../engine/protocol/error-codes.ts';
import { check, watchHistory } from './checker.ts';
import { beyondAnyEnd } from './judge-deletions.ts';
import { finalConsumer } from './judge-records.ts';
import type { AskedTime, Entry, ReadRecord, TimedEntry } from './history.ts';

const partition = 'topic/0';

function names(...entries: Entry[]): string[] {
  const topic: Entry = { kind: 'topic', partition, isBounded: false };
  const history = [topic, ...entries].map((entry, i): TimedEntry => ({ atMs: i, ...entry }));
  return [...new Set(check(history).map(({ name }) => name))];
}

function send(...values: string[]): Entry {
  return { kind: 'send', producer: 'p', as: 'idempotent', partition, values };
}

function sent(offset: number, ...values: string[]): Entry {
  return { kind: 'sent', producer: 'p', partition, values, code: 0, offset, isNext: true };
}

function refused(code: number, ...values: string[]): Entry {
  return { kind: 'sent', producer: 'p', partition, values, code, offset: -1, isNext: true };
}

function read(consumer: string, from: number, values: string[], more: Partial<Entry & { kind: 'read' }> = {}): Entry {
  const records = values.map((value, i): ReadRecord => ({ offset: from + i, value, leaderEpoch: 0 }));
  const highWatermark = from + values.length;
  const asked = { end: 0, start: 0 };
  return { kind: 'read', consumer, partition, from, code: 0, highWatermark, startOffset: 0, records, asked, ...more };
}

function acked(brokerId: number, sessionEpoch: number, leaderEpoch: number, more: object = {}): Entry {
  const rest = { sentEpoch: leaderEpoch, offset: 0, isFenced: false };
  return { kind: 'acked', brokerId, sessionEpoch, partition, leaderEpoch, ...rest, ...more };
}

const final = (values: string[], more = {}): Entry => read(finalConsumer, 0, values, more);
const group = { group: 'g', partition };

describe('the checker finds nothing in', () => {
  it('a history without faults', () => {
    expect(
      names(send('a', 'b'), sent(0, 'a', 'b'), acked(1, 1, 0), read('c', 0, ['a', 'b']), final(['a', 'b'])),
    ).toEqual([]);
  });

  it('values without an answer, stored or not', () => {
    expect(names(send('a'), refused(-1, 'a'), send('b'), refused(-1, 'b'), final(['b']))).toEqual([]);
  });

  it('a bounded log whose start has moved', () => {
    const start: Entry = { kind: 'topic', partition, isBounded: true };
    const rest = read(finalConsumer, 1, ['b'], { startOffset: 1 });
    expect(names(start, send('a', 'b'), sent(0, 'a', 'b'), rest)).toEqual([]);
  });

  it('a slot that restarts in place, and an owner that follows another', () => {
    expect(names(acked(1, 1, 0), acked(1, 2, 0), acked(2, 1, 1))).toEqual([]);
  });

  it('a value that was refused, sent again, and stored', () => {
    expect(names(send('a'), refused(6, 'a'), refused(-1, 'a'), final(['a']))).toEqual([]);
    expect(names(send('a'), refused(-1, 'a'), refused(6, 'a'), final(['a']))).toEqual([]);
  });

  it('a deleted topic', () => {
    expect(names(send('a'), sent(0, 'a'), { kind: 'deleted', partition })).toEqual([]);
  });
});

describe('the checker names', () => {
  it('a lost write', () => {
    expect(names(send('a', 'b'), sent(0, 'a', 'b'), final(['a']))).toEqual(['lost-write']);
  });

  it('a record that was read and has disappeared', () => {
    expect(names(send('a', 'b'), read('c', 0, ['a', 'b']), final(['a']))).toEqual(['lost-write']);
  });

  it('a log start that moved although nothing may be deleted', () => {
    expect(names(read('c', 0, [], { code: 1, startOffset: 3 }))).toEqual(['lost-write']);
  });

  it('a duplicate', () => {
    expect(names(send('a'), sent(0, 'a'), final(['a', 'a']))).toEqual(['duplicate']);
  });

  it('a reorder', () => {
    expect(names(send('a', 'b'), final(['b', 'a']))).toEqual(['reorder']);
  });

  it('a divergence', () => {
    expect(names(send('a', 'b'), read('c', 0, ['a']), read('d', 0, ['b']))).toContain('divergence');
  });

  it('an invented record', () => {
    expect(names(read('c', 0, ['x']))).toEqual(['invented-record']);
  });

  it('a gap between offsets', () => {
    const records = [{ offset: 1, value: 'a', leaderEpoch: 0 }];
    expect(names(send('a'), read('c', 0, [], { records, highWatermark: 2 }))).toEqual(['offset-gap']);
  });

  it('a log that ends before a reader’s position', () => {
    expect(names(read('c', 5, [], { code: 1, highWatermark: 3 }))).toEqual(['truncated']);
  });

  it('a falling high watermark', () => {
    expect(names(send('a'), read('c', 0, ['a'], { highWatermark: 9 }), read('c', 1, [], { highWatermark: 8 }))).toEqual(
      ['high-watermark-falls'],
    );
  });

  it('a falling leader epoch', () => {
    const records = ['a', 'b'].map((value, offset) => ({ offset, value, leaderEpoch: 3 - offset }));
    expect(names(send('a', 'b'), final([], { records, highWatermark: 2 }))).toEqual(['leader-epoch-falls']);
  });

  it('an acknowledgement of an owner that was replaced', () => {
    expect(names(acked(2, 1, 1), acked(1, 1, 0))).toEqual(['stale-owner-ack']);
    expect(names(acked(1, 2, 0), acked(1, 1, 0))).toEqual(['stale-owner-ack']);
    expect(names(acked(1, 1, 0, { isFenced: true }))).toEqual(['stale-owner-ack']);
  });

  it('two owners at once', () => {
    expect(names(acked(1, 1, 0), acked(2, 1, 0))).toEqual(['two-acking-owners']);
  });

  it('a batch that was stored at another epoch than it was sent at', () => {
    expect(names(acked(1, 1, 2, { sentEpoch: 1 }))).toEqual(['epoch-mismatch']);
  });

  it('a stored value whose producer was told that nobody stored it', () => {
    expect(names(send('a'), refused(6, 'a'), final(['a']))).toEqual(['untrue-refusal']);
  });

  it('an end and a start older than those that others were given before', () => {
    const asked = { end: 3, start: 2 };
    const log: Entry = { kind: 'topic', partition, isBounded: true };
    expect(names(log, read('c', 2, [], { asked, startOffset: 2 }))).toEqual(['stale-end']);
    expect(names(log, read('c', 3, [], { asked, startOffset: 1 }))).toEqual(['log-start-falls']);
    expect(names(log, read('c', 3, [], { asked, startOffset: 2 }))).toEqual([]);
  });

  it('an end and a start older than those given to a client that read nothing', () => {
    const asked = { end: 3, start: 2 };
    const bound = (which: 'end' | 'start', offset: number): Entry => ({
      kind: 'bound',
      partition,
      which,
      offset,
      leaderEpoch: 0,
      asked,
    });
    expect(names(bound('end', 2))).toEqual(['stale-end']);
    expect(names(bound('start', 1))).toEqual(['log-start-falls']);
    expect(names(bound('end', 3), bound('start', 2))).toEqual([]);
    expect(names(acked(1, 2, 0), bound('end', 2))).toEqual(['stale-end']);
  });

  it('an epoch that ended elsewhere than reported', () => {
    const ended = (epoch: number, endOffset: number): Entry => {
      return { kind: 'epoch-end', partition, epoch, endOffset, asked: { end: 2, start: 0 } };
    };
    const records = [0, 0, 2].map((leaderEpoch, offset) => ({ offset, value: 'abc'[offset]!, leaderEpoch }));
    const rest = final([], { records, highWatermark: 3 });
    const known = [send('a', 'b', 'c'), sent(0, 'a', 'b')];
    expect(names(...known, ended(0, 2), ended(1, 2), ended(2, 3), rest)).toEqual([]);
    expect(names(...known, ended(0, 1), rest)).toEqual(['wrong-epoch-end']);
    expect(names(...known, ended(0, -1), rest)).toEqual(['wrong-epoch-end']);
    expect(names(...known, ended(1, 3), rest)).toEqual(['wrong-epoch-end']);
  });

  it('an end that was reported before the records there were final', () => {
    const asked = { end: 0, start: 0 };
    const told: Entry = { kind: 'bound', partition, which: 'end', offset: 2, leaderEpoch: 0, asked };
    const rest = (epoch: number): Entry => {
      const records = [0, epoch].map((leaderEpoch, offset) => ({ offset, value: 'ab'[offset]!, leaderEpoch }));
      return final([], { records, highWatermark: 2 });
    };
    expect(names(send('a', 'b'), told, rest(1))).toEqual(['told-too-early']);
    expect(names(send('a', 'b'), told, rest(0))).toEqual([]);
  });

  it('retention that leaves too little, unless somebody has deleted records', () => {
    const log: Entry = { kind: 'topic', partition, isBounded: true, keptBytes: 100 };
    const left = (...bytes: number[]): Entry => {
      const sizes = bytes.map((each, i) => ({ baseOffset: i, bytes: each }));
      return read(finalConsumer, 1, [], { startOffset: 1, sizes });
    };
    expect(names(log, left(60, 60, 39))).toEqual(['kept-too-little']);
    expect(names(log, left(60, 60, 40))).toEqual([]);
    expect(names(log, { kind: 'cutting', partition, to: -1 }, left(60, 60, 39))).toEqual([]);
  });

  it('retention that removes a record before its time, unless the clock was set', () => {
    const log: Entry = { kind: 'topic', partition, isBounded: true, keptMs: 100 };
    const history = (goneMs: number, ...between: Entry[]): TimedEntry[] => {
      const gone = { ...read('c', 1, [], { startOffset: 1, highWatermark: 1 }), atMs: goneMs };
      const before = [log, send('a'), sent(0, 'a'), ...between].map((entry) => ({ ...entry, atMs: 0 }));
      return [...before, gone, { ...read(finalConsumer, 1, [], { startOffset: 1, highWatermark: 1 }), atMs: 900 }];
    };
    expect(check(history(99)).map(({ name }) => name)).toEqual(['kept-too-little']);
    expect(check(history(100))).toEqual([]);
    expect(check(history(99, { kind: 'clock-set' }))).toEqual([]);
    expect(check(history(99, { kind: 'cutting', partition, to: 1 }))).toEqual([]);
    // One that claims to be older is of the age that it claims.
    const older = [99, 98].map((goneMs) =>
      check(history(goneMs).map((entry) => (entry.kind === 'send' ? { ...entry, ageMs: 1 } : entry))),
    );
    expect(older.map((found) => found.map(({ name }) => name))).toEqual([[], ['kept-too-little']]);
    // However old it claims to be, it stays from one look to the next.
    const looked = [97, 98].map((goneMs) =>
      check(
        history(goneMs).map((entry) => {
          if (entry.kind === 'topic') return { ...entry, looksMs: 100 };
          return entry.kind === 'send' ? { ...entry, ageMs: 1000 } : entry;
        }),
      ),
    );
    expect(looked.map((found) => found.map(({ name }) => name))).toEqual([['kept-too-little'], []]);
  });

  it('a deletion that was reported and not done, went too far, or was refused for no reason', () => {
    const cutOnly: Entry = { kind: 'topic', partition, isBounded: true, isCutOnly: true };
    const asked = { end: 9, start: 0 };
    const cutting: Entry = { kind: 'cutting', partition, to: 4 };
    const cut = (start: number, to = 4): Entry => ({ kind: 'cut', partition, to, start, asked });
    const uncut = (code: number, to: number): Entry => ({ kind: 'uncut', partition, to, code, asked });
    expect(names(cutOnly, cutting, cut(4), read('c', 4, [], { startOffset: 4, highWatermark: 9 }))).toEqual([]);
    expect(names(cutOnly, cutting, cut(3))).toEqual(['cut-not-done']);
    expect(names(cutOnly, cut(8, -1))).toEqual(['cut-not-done']);
    const begins = read('c', 4, [], { startOffset: 4, highWatermark: 9 });
    expect(names(cutOnly, cutting, uncut(7, 4), begins)).toEqual([]);
    expect(names(cutOnly, cutting, uncut(6, 4), begins)).toEqual(['cut-too-far']);
    expect(names(cutOnly, cutting, read('c', 5, [], { startOffset: 5, highWatermark: 9 }))).toEqual(['cut-too-far']);
    expect(names(cutOnly, uncut(1, 9))).toEqual(['untrue-refusal']);
    expect(names(cutOnly, uncut(1, 10), uncut(6, 4))).toEqual([]);
    const beyond: Entry = { kind: 'cutting', partition, to: beyondAnyEnd };
    expect(names(cutOnly, beyond, uncut(1, beyondAnyEnd))).toEqual([]);
    expect(names(cutOnly, beyond, begins)).toEqual(['cut-too-far']);
    expect(names(cutOnly, beyond, cut(9, beyondAnyEnd))).toEqual(['cut-not-done']);
  });

  it('deleted records that a later request reads', () => {
    const bounded: Entry = { kind: 'topic', partition, isBounded: true };
    const late = (start: number): Entry => read('c', 0, ['a'], { startOffset: 1, asked: { end: 1, start } });
    expect(names(bounded, send('a'), late(0))).toEqual([]);
    expect(names(bounded, send('a'), late(1))).toEqual(['deleted-read']);
  });

  it('a record returned for a time that it does not have, or that is not the first with it', () => {
    const records = [5, 3, 7].map((timestampMs, offset) => {
      return { offset, value: 'abc'[offset]!, leaderEpoch: 0, timestampMs };
    });
    const judged = (time: AskedTime, offset: number, timestampMs: number, end = 3): string[] => {
      const told: Entry = { kind: 'time', partition, time, offset, timestampMs, asked: { end, start: 0 } };
      return names(send('a', 'b', 'c'), told, final([], { records, highWatermark: 3 }));
    };
    for (const [time, offset, ms] of [
      [4, 0, 5],
      [6, 2, 7],
      [8, -1, -1],
      ['latest', 2, 7],
    ] as const) {
      expect(judged(time, offset, ms)).toEqual([]);
    }
    // The third was not there yet, as far as anybody knew.
    expect(judged(6, -1, -1, 2)).toEqual([]);
    expect(judged('latest', 0, 5, 2)).toEqual([]);
    for (const [time, offset, ms] of [
      [4, 2, 7],
      [6, 0, 5],
      [6, 2, 6],
      [6, -1, -1],
      ['latest', 0, 5],
    ] as const) {
      expect(judged(time, offset, ms)).toEqual(['wrong-time']);
    }
  });

  it('a fetch that is answered too early with too little, and one that is not woken', () => {
    const poll = (waitedMs: number, bytes: number): Entry => {
      return { kind: 'poll', consumer: 'c', waitedMs, maxWaitMs: 400, bytes, minBytes: 100 };
    };
    expect(names(poll(400, 0), poll(20, 100))).toEqual([]);
    expect(names(poll(300, 99))).toEqual(['answered-early']);
    expect(names({ kind: 'unwoken', what: 'x' })).toEqual(['poll-not-woken']);
  });

  it('a log start reported with the epoch of another record, and a broker that was not empty', () => {
    const told = (leaderEpoch: number): Entry => {
      return { kind: 'bound', partition, which: 'start', offset: 0, leaderEpoch, asked: { end: 1, start: 0 } };
    };
    expect(names(send('a'), told(0), final(['a']))).toEqual([]);
    expect(names(send('a'), told(1), final(['a']))).toEqual(['wrong-epoch-end']);
    expect(names({ kind: 'undrained', what: 'x' })).toEqual(['drained-early']);
    expect(names({ kind: 'misplaced', what: 'x' })).toEqual(['misplaced']);
  });

  it('an acknowledgement with a later start of a log from which nothing may be deleted', () => {
    const ack = (startOffset: number): Entry => ({ ...(sent(0, 'a') as Entry & { kind: 'sent' }), startOffset });
    expect(names(send('a'), ack(0), final(['a']))).toEqual([]);
    expect(names(send('a'), ack(1), final(['a']))).toEqual(['lost-write']);
  });

  it('a committed offset that returns after its deletion, and a broker that dies without cause', () => {
    const commit = (offset: number): Entry[] => [
      { kind: 'commit', ...group, offset },
      { kind: 'committed', ...group, offset, code: 0 },
    ];
    const position = (offset: number, gone: number): Entry => ({ kind: 'position', ...group, offset, acked: -1, gone });
    const forgotten: Entry = { kind: 'forgotten', ...group, offset: 7 };
    expect(names(...commit(7), forgotten, position(-1, 7), ...commit(8), position(8, 7))).toEqual([]);
    expect(names(...commit(7), forgotten, position(7, 7))).toEqual(['committed-offset-falls']);
    // The request was sent before the deletion.
    expect(names(...commit(7), forgotten, position(7, -1))).toEqual([]);
    expect(names({ kind: 'died', what: 'x' })).toEqual(['needless-kill']);
  });

  it('a producer id that was given twice', () => {
    expect(names({ kind: 'producer-id', id: 7 }, { kind: 'producer-id', id: 7 })).toEqual(['producer-id-twice']);
  });

  it('the end of a broker that renews its lease, and a move that a group notices', () => {
    expect(names({ kind: 'needless-kill', brokerId: 1, sessionEpoch: 1 })).toEqual(['needless-kill']);
    expect(names({ kind: 'unsettled', what: 'x' })).toEqual(['move-noticed']);
  });

  it('a sequence that was forgotten', () => {
    expect(names(send('a'), refused(45, 'a'))).toEqual(['sequence-lost']);
  });

  it('a committed offset that falls', () => {
    const commits: Entry[] = [
      { kind: 'commit', ...group, offset: 7 },
      { kind: 'committed', ...group, offset: 7, code: 0 },
    ];
    expect(names(...commits, { kind: 'position', ...group, offset: 6, acked: 7 })).toEqual(['committed-offset-falls']);
    expect(names(...commits, { kind: 'position', ...group, offset: 8, acked: 7 })).toEqual(['committed-offset-falls']);
    // A commit whose outcome no client knows may arrive late.
    const doubtful: Entry[] = [
      { kind: 'commit', ...group, offset: 6 },
      { kind: 'committed', ...group, offset: 6, code: -1 },
    ];
    expect(names(...doubtful, ...commits, { kind: 'position', ...group, offset: 6, acked: 7 })).toEqual([]);
    expect(names(...commits, { kind: 'position', ...group, offset: 7, acked: 7 })).toEqual([]);
  });

  it('a commit that is stored although it was reported as not stored', () => {
    const commit: Entry = { kind: 'commit', ...group, offset: 7 };
    const told = (code: number): Entry => ({ kind: 'committed', ...group, offset: 7, code });
    const found: Entry = { kind: 'position', ...group, offset: 7, acked: 6 };
    expect(names(commit, told(volumeFullCode), found)).toEqual(['untrue-refusal']);
    expect(names(commit, commit, told(0), told(volumeFullCode), found)).toEqual([]);
    expect(names(commit, told(errorCode.notCoordinator), found)).toEqual(['untrue-refusal']);
    expect(names(commit, told(unsureCode), found)).toEqual([]);
  });

  it('a commit of a member whose generation is over', () => {
    const commit = (known: number): Entry[] => [
      { kind: 'commit', ...group, offset: 7 },
      { kind: 'committed', ...group, offset: 7, code: 0, by: { member: 'a', generation: 4, known } },
    ];
    expect(names(...commit(4))).toEqual([]);
    expect(names(...commit(5))).toEqual(['stale-member-commit']);
  });

  it('a generation that repeats, and two owners in one', () => {
    const joined = (member: string, generation: number, known: number): Entry => {
      return { kind: 'joined', group: 'g', member, generation, known, partitions: [partition] };
    };
    expect(names(joined('a', 1, -1), joined('b', 2, 1), joined('b', 2, 2))).toEqual([]);
    expect(names(joined('a', 2, -1), joined('a', 1, 2))).toEqual(['generation-falls']);
    expect(names(joined('a', 1, -1), joined('b', 1, 1))).toEqual(['two-group-owners']);
  });

  it('a generation with two distributions', () => {
    const joined = (member: string, generation: number, plan: string): Entry => {
      return { kind: 'joined', group: 'g', member, generation, known: -1, plan, partitions: [] };
    };
    expect(names(joined('a', 1, 'a 1'), joined('b', 1, 'a 1'), joined('c', 1, ''), joined('a', 2, 'a 2'))).toEqual([]);
    expect(names(joined('a', 1, 'a 1'), joined('b', 1, 'b 2'))).toEqual(['two-plans']);
  });

  it('a repeat that is refused as out of order although somebody has read it', () => {
    const told = (leftMs: number): Entry => {
      return { kind: 'sent', producer: 'p', partition, values: ['b'], code: 45, offset: -1, isNext: false, leftMs };
    };
    const history = [send('a'), send('b'), read('c', 0, ['a', 'b'])];
    expect(names(...history, told(3.5))).toEqual(['sequence-lost']);
    expect(names(...history, told(2))).toEqual([]);
    expect(names(send('a'), send('b'), told(3.5))).toEqual([]);
  });

  it('a fetch that gets more than it asked for', () => {
    expect(names({ kind: 'overfed', what: 'x' })).toEqual(['too-many-bytes']);
  });

  it('what is stuck, and what failed', () => {
    expect(names({ kind: 'stuck', what: 'x' }, { kind: 'bug', where: 'y', what: 'z' })).toEqual(['stuck', 'bug']);
  });
});

it('tells of a history that still grows whether there is something wrong in it', () => {
  const history: TimedEntry[] = [];
  const isWrong = watchHistory(history);
  const add = (entry: Entry): void => void history.push({ atMs: history.length, ...entry });
  expect(isWrong()).toBe(false);
  add(send('a'));
  add(read('c', 0, ['a']));
  expect(isWrong()).toBe(false);
  add(read('c', 1, ['nobody sent this']));
  add(read('c', 2, []));
  expect(isWrong()).toBe(true);
  expect(isWrong()).toBe(true);
});
