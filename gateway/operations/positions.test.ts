import { expect, it } from 'vitest';
import type { TopicEntry } from '../../engine/engine.ts';
import { InvalidRequest } from '../../engine/kernel/failure.ts';
import type { ListOffsetsRequest } from '../../engine/protocol/messages/02-list-offsets.ts';
import type { GatewayContext } from '../context.ts';
import { parseStart, resolveStart } from './positions.ts';

it('takes offsets that a number can hold, and no others', () => {
  expect(parseStart('9007199254740991')).toEqual({ at: 'offset', offset: Number.MAX_SAFE_INTEGER });
  for (const text of ['9007199254740992', '9007199254740993', '99999999999999999', '-', '1e3', '0x10']) {
    expect(() => parseStart(text)).toThrow(InvalidRequest);
  }
});

it('takes times that name their zone, even with a plus that a query made a space', () => {
  const timestampMs = Date.UTC(2026, 10, 28, 12);
  for (const text of [
    '2026-11-28T12:00:00Z',
    '2026-11-28T13:00:00.000+01:00',
    '2026-11-28T13:00:00 01:00',
    '2026-11-28T12:00Z',
  ]) {
    expect(parseStart(text)).toEqual({ at: 'time', timestampMs });
  }
  for (const text of ['2026-11-28', '2026-11-28T12:00:00', '2026-11-28T25:00:00Z', '2026-11-28T12:00:00Zzz']) {
    expect(() => parseStart(text), text).toThrow('2026-11-28T12:00:00Z');
  }
});

it('leaves out no record that is written while a time is looked for', async () => {
  let endOffset = 3;
  const engine = {
    partitionRequest: async (_key: 2, { topics }: ListOffsetsRequest) => {
      const { partitionIndex, timestamp } = topics[0]!.partitions[0]!;
      const offset = timestamp === -1 ? endOffset : -1;
      endOffset++;
      return { topics: [{ partitions: [{ partitionIndex, errorCode: 0, offset }] }] };
    },
  };
  const context = { engine } as unknown as GatewayContext;
  const start = { at: 'time', timestampMs: 1_700_000_000_000 } as const;
  const positions = await resolveStart(context, { name: 'c.t' } as TopicEntry, [0], start);
  expect(positions).toEqual([{ partition: 0, offset: 3 }]);
});
