/** The comparer itself: it detects a planted difference of each kind, and does not report allowed ones. */
import { describe, expect, it } from 'vitest';
import { zeroUuid } from '../../engine/kernel/uuid.ts';
import { compare } from './differences.ts';
import { differencesPage } from './differences-page.ts';
import { normalise } from './normalise.ts';
import { ask } from './draw-names.ts';

const kafkaNames = {
  prefix: 'run-',
  appendMsMin: 20_000,
  names: new Map([
    ['producer 7', '<producer 0>'],
    ['topic aaaaaaaaaaaaaaaa', '<topic id §t 0>'],
  ]),
};
const headgateNames = {
  prefix: 'run-',
  appendMsMin: 20_000,
  names: new Map([
    ['producer 9', '<producer 0>'],
    ['topic bbbbbbbbbbbbbbbb', '<topic id §t 0>'],
  ]),
};

function produced(changes: object = {}) {
  const part = { index: 0, errorCode: 0, baseOffset: 4, logAppendTimeMs: -1, logStartOffset: 0, recordErrors: [] };
  const topic = { name: 'run-t', topicId: 'aaaaaaaaaaaaaaaa', partitionResponses: [{ ...part, ...changes }] };
  return { responses: [topic], throttleTimeMs: 0, nodeEndpoints: [] };
}

const produce = ask(0, 8, { acks: 1 });

function compared(kafka: unknown, headgate: unknown, step = produce): string[] {
  const { key, version } = step;
  return compare(step, {
    kafka: normalise(kafkaNames, key, version, kafka),
    headgate: normalise(headgateNames, key, version, headgate),
  });
}

describe('the comparer', () => {
  it('accepts equal answers', () => {
    expect(compared(produced(), produced())).toEqual([]);
  });

  it.each([
    ['another error', { errorCode: 3 }, 'errorCode: kafka 0, headgate 3'],
    ['another offset', { baseOffset: 5 }, 'baseOffset: kafka 4, headgate 5'],
    ['another start', { logStartOffset: 1 }, 'logStartOffset: kafka 0, headgate 1'],
    ['a record error', { recordErrors: [{ batchIndex: 0 }] }, 'recordErrors: kafka has 0 [], headgate 1'],
  ])('reports %s', (_name, change, said) => {
    const found = compared(produced(), produced(change));
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(`responses[0].partitionResponses[0].${said}`);
  });

  it('reports a missing answer, and a superfluous one', () => {
    expect(compared(produced(), { ...produced(), responses: [] })).toHaveLength(1);
    expect(compared({ ...produced(), responses: [] }, produced())).toHaveLength(1);
  });

  it('reports a closed connection in place of an answer', () => {
    const pair = { kafka: { errorCode: 0 }, headgate: { ending: 'closed' } };
    expect(compare(produce, pair)).toHaveLength(2);
  });

  it('treats generated values as equal only if the same step created them', () => {
    const answer = (producerId: number): object => ({ throttleTimeMs: 3, errorCode: 0, producerId, producerEpoch: 0 });
    const step = ask(22, 4, {});
    expect(compared(answer(7), answer(9), step)).toEqual([]);
    expect(compared(answer(7), answer(7), step)).toHaveLength(1);
  });

  it('requires the same records to be named, in whatever words', () => {
    const named = (batchIndex: number, batchIndexErrorMessage: string | null): object =>
      produced({ errorCode: 32, recordErrors: [{ batchIndex, batchIndexErrorMessage }] });
    expect(compared(named(1, 'x'), named(1, null))).toEqual([]);
    expect(compared(named(1, 'x'), named(2, null))).toHaveLength(1);
    expect(compared(named(1, 'x'), produced({ errorCode: 32 }))).toHaveLength(1);
  });

  it('forgives a refused transactional id, but not any other answer', () => {
    const step = ask(10, 4, { keyType: 1, coordinatorKeys: ['a'] });
    const found = (errorCode: number): object => ({ throttleTimeMs: 0, coordinators: [{ key: 'a', errorCode }] });
    expect(compared(found(0), found(44), step)).toEqual([]);
    expect(compared(found(0), found(53), step)).toHaveLength(1);
    expect(compared(found(0), found(44), ask(10, 4, { keyType: 0, coordinatorKeys: ['a'] }))).toHaveLength(1);
  });

  it('treats append times as equal, but no other times', () => {
    const step = ask(2, 4, {});
    const found = (timestamp: number): object => ({
      throttleTimeMs: 0,
      topics: [
        { name: 'run-t', partitions: [{ partitionIndex: 0, errorCode: 0, timestamp, offset: 1, leaderEpoch: 0 }] },
      ],
    });
    expect(compared(found(20_001), found(20_002), step)).toEqual([]);
    expect(compared(found(10_001), found(10_002), step)).toHaveLength(1);
    expect(compared(found(10_001), found(20_002), step)).toHaveLength(1);
  });

  it('forgives that Kafka fails a whole request because of one item, if Headgate refuses that item', () => {
    const failed = { throttleTimeMs: 0, errorCode: -1, sessionId: 0, responses: [] };
    const fetched = (topicId: string, errorCode: number): object => ({
      ...failed,
      errorCode: 0,
      responses: [{ topicId, partitions: [{ partitionIndex: 0, errorCode, records: [] }] }],
    });
    const fetch = ask(1, 15, {});
    const unanswered = (answer: object): string[] =>
      compare(fetch, { kafka: { ending: 'silent' }, headgate: normalise(headgateNames, 1, 15, answer) });
    expect(compared(failed, fetched(zeroUuid, 100), fetch)).toEqual([]);
    expect(compared(failed, fetched(zeroUuid, 3), fetch)).not.toEqual([]);
    expect(unanswered(fetched(zeroUuid, 100))).toEqual([]);
    expect(unanswered(fetched('bbbbbbbbbbbbbbbb', 100))).not.toEqual([]);
    expect(compared(failed, fetched('bbbbbbbbbbbbbbbb', 100), fetch)).not.toEqual([]);
    const pages = ask(75, 0, {});
    const described = (name: string, errorCode: number): object => ({
      topics: [{ name, errorCode }],
      nextCursor: null,
    });
    expect(compared(described('', -1), described('', 17), pages)).toEqual([]);
    expect(compared(described('', -1), described('', 0), pages)).not.toEqual([]);
    expect(compared(described('run-t', -1), described('run-t', 0), pages)).not.toEqual([]);
  });

  it('treats a null list of aborted transactions as empty if there are no records', () => {
    const fetched = (abortedTransactions: unknown, changes: object = {}): object => {
      const part = { partitionIndex: 0, errorCode: 0, records: [], ...changes };
      return { errorCode: 0, responses: [{ topic: 'run-t', partitions: [{ ...part, abortedTransactions }] }] };
    };
    const fetch = ask(1, 8, {});
    expect(compared(fetched(null), fetched([]), fetch)).toEqual([]);
    expect(compared(fetched([]), fetched(null), fetch)).toHaveLength(1);
    expect(compared(fetched(null, { errorCode: 1 }), fetched([], { errorCode: 1 }), fetch)).toHaveLength(1);
  });

  it('forgives an unknown error code, but not a success in its place', () => {
    expect(compared(produced({ errorCode: -1 }), produced({ errorCode: 2 }))).toEqual([]);
    expect(compared(produced({ errorCode: -1 }), produced())).toHaveLength(1);
  });
});

it('docs/kafka-differences.md matches the list', async () => {
  await expect(differencesPage()).toMatchFileSnapshot('../../docs/kafka-differences.md');
});
