/** The log on a real file system: what the memory disk models must be what the system disk does. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../engine/kernel/clock.ts';
import { systemRandom } from '../engine/kernel/random.ts';
import { directorySegments } from '../engine/log/segments/directory-segments.ts';
import type { AppendOutcome, LogStore, PartitionLog } from '../engine/log/log.ts';
import { createLogStore } from '../engine/log/log-store.ts';
import { recoverWal } from '../engine/log/recover.ts';
import { type LogSettings, logSettingsDefault } from '../engine/log/settings.ts';
import { isBatchFault, validateBatch } from '../engine/records/batch.ts';
import { encodeBatch } from '../engine/records/encode.ts';
import { memoryStore } from '../engine/store-memory.ts';
import { systemDisk } from '../infra/disk/system-disk.ts';

const topicId = 'a-topic-16-bytes';

describe('log on the system disk', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'headgate-log-'));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const store = memoryStore({ clock: systemClock });
  const settings: LogSettings = {
    ...logSettingsDefault,
    freeBytesFloor: 0,
    walChunkBytesMax: 65_536,
    rollUpBytes: 1 << 26,
  };
  const common = () => ({
    disk: systemDisk,
    store,
    clock: systemClock,
    random: systemRandom,
    settings,
    brokerId: 1,
    volume: join(root, 'volume'),
    segments: directorySegments(systemDisk, join(root, 'segments')),
    guard: () => [],
  });
  const start = (sessionEpoch: number): Promise<LogStore> =>
    createLogStore({
      ...common(),
      sessionEpoch,
      mayAck: () => true,
      onFatal: (error) => {
        throw error;
      },
    });
  const append = (log: PartitionLog, text: string): Promise<AppendOutcome> => {
    const batch = Buffer.from(encodeBatch([{ key: null, value: Buffer.from(text), timestampMs: 1 }]));
    const header = validateBatch(batch);
    if (isBatchFault(header)) throw new Error(header.message);
    return new Promise((done) => log.append(batch, header, systemClock.wallMs(), done));
  };
  const bytesFrom = async (log: PartitionLog, offset: number): Promise<number> =>
    (await log.read(offset, 1 << 22, true)).bytes;

  it('appends, rolls up, dies, recovers and closes', async () => {
    const first = await start(1);
    const log = await first.open(topicId, 0, 1, { 'retention.ms': '-1' });
    const outcomes = await Promise.all(Array.from({ length: 300 }, (_, i) => append(log, `${i}`.repeat(100))));
    expect(outcomes.map((outcome) => outcome.baseOffset)).toEqual(outcomes.map((_, i) => i));
    await first.rollUp();
    for (let i = 0; i < 20; i++) await append(log, `later ${i}`);
    const whole = (await bytesFrom(log, 0)) + (await bytesFrom(log, 300));
    // Nothing is closed, nothing is said: the process is gone.
    const recovery = await recoverWal({ ...common(), sessionEpoch: 1 });
    expect(recovery).toMatchObject({ logs: [{ endOffset: 320, batches: 20 }], ignoredBytes: 0 });
    expect(readdirSync(join(root, 'volume', 'wal'))).toEqual([]);
    const second = await start(2);
    const again = await second.open(topicId, 0, 2, { 'retention.ms': '-1' });
    expect(again.highWatermark).toBe(320);
    expect((await bytesFrom(again, 0)) + (await bytesFrom(again, 300))).toBe(whole);
    expect((await append(again, 'more')).baseOffset).toBe(320);
    await second.forget([again]);
    await second.close();
    expect(readdirSync(join(root, 'segments'))).toEqual([]);
    expect(readdirSync(join(root, 'volume', 'wal'))).toEqual([]);
  });
});
