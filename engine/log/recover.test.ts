import { describe, expect, it } from 'vitest';
import type { MetadataStore, StoreOp } from '../ports.ts';
import { uuidText } from '../kernel/uuid.ts';
import { batchOf, segmentsDirectory, topicA, World } from './log-fixture.suite.ts';
import { baseOffset, batchCrc, batchField, restamp } from '../records/batch.ts';
import { DataCorrupt, LogRowsChanged, SessionFenced } from './log.ts';
import { beginRecovery, LogBehind, VolumeMissing } from './dead-log.ts';
import { publishWal, type RecoverOptions } from './recover.ts';
import { directorySegments } from './segments/directory-segments.ts';
import {
  decodeChunkHeader,
  decodeRecordHeader,
  encodeRecordHeader,
  walChunkHeaderBytes,
  walRecordHeaderBytes,
} from './wal/wal-format.ts';

const sessionRow = { pk: 'BROKER', sk: '1' };

/** Fences the session of broker 1 as if its lease had lapsed: its process continues. */
async function fence(world: World): Promise<RecoverOptions> {
  await world.rows.transact([{ op: 'put', key: sessionRow, value: '{"fenced":1}' }]);
  const { version } = (await world.rows.get(sessionRow))!;
  return {
    disk: world.disk,
    store: world.rows,
    clock: world.clock,
    random: world.random,
    settings: world.settings,
    brokerId: 1,
    sessionEpoch: world.sessionEpoch,
    volume: '/v1',
    segments: directorySegments(world.disk, segmentsDirectory),
    guard: (): StoreOp[] => [{ op: 'check', key: sessionRow, if: { version } }],
  };
}

/** The rows of `world`, changed by `transact` instead. */
function storeWith({ rows }: World, transact: MetadataStore['transact']): MetadataStore {
  return {
    get: (key) => rows.get(key),
    range: (pk, given) => rows.range(pk, given),
    watch: (pk, onChange) => rows.watch(pk, onChange),
    close: () => rows.close(),
    transact,
  };
}

describe('recovery of a session whose process still writes', () => {
  it('is not repeated once the row says that it is done: late batches do not belong to the log', async () => {
    const world = new World();
    const store = await world.startSession();
    const zombie = await world.open(store);
    await world.append(zombie, batchOf(['a', 'b']));
    const options = await fence(world);
    const first = await world.run(publishWal(options));
    expect(first.segmentsPublished).toBe(1);
    // The zombie wakes up. The process that recovered it died before the removal, and the next one continues from the row.
    world.mayAck = false;
    for (let i = 0; i < 60; i++) world.send(zombie, batchOf([`late ${i} ${'x'.repeat(60)}`]));
    await world.run(Promise.resolve());
    expect(world.disk.list(world.walDirectory).length).toBeGreaterThan(1);
    const again = await world.run(publishWal({ ...options, isPublished: true }));
    expect(again).toMatchObject({ logs: [], segmentsPublished: 0 });
    await world.run(again.cleanUp());
    expect(world.disk.exists(`/v1/wal/${options.sessionEpoch}`)).toBe(false);
    const next = await world.open(await world.startSession(), 9, {}, topicA);
    expect(await world.values(next)).toEqual(['a', 'b']);
  });

  it('removes a chunk that appeared after the log was read', async () => {
    const world = new World();
    const store = await world.startSession();
    const zombie = await world.open(store);
    await world.append(zombie, batchOf(['a']));
    const options = await fence(world);
    const { cleanUp } = await world.run(publishWal(options));
    world.mayAck = false;
    for (let i = 0; i < 60; i++) world.send(zombie, batchOf([`late ${i} ${'x'.repeat(60)}`]));
    await world.run(Promise.resolve());
    await world.run(cleanUp());
    expect(world.disk.exists(`/v1/wal/${options.sessionEpoch}`)).toBe(false);
    const next = await world.open(await world.startSession(), 9, {}, topicA);
    expect(await world.values(next)).toEqual(['a']);
  });
});

describe('recovery of a session whose volume is missing', () => {
  it('is refused until the volume is there, instead of ending its logs where the last roll-up left them', async () => {
    const world = new World();
    const log = await world.open(await world.startSession());
    await world.append(log, batchOf(['a', 'b']));
    const options = await fence(world);
    const unmounted = { ...options, volume: '/unmounted' };
    await expect(world.run(publishWal(unmounted))).rejects.toThrow(
      /^the volume is missing: \/unmounted\/wal does not exist\./,
    );
    await expect(world.run(publishWal(options))).resolves.toMatchObject({ records: 1 });
  });

  it('is refused on an empty volume if more is known to exist', async () => {
    const world = new World();
    await world.startSession();
    const options = { ...(await fence(world)), volume: '/empty' };
    world.disk.makeDirectory('/empty/wal');
    await expect(world.run(publishWal({ ...options, syncedLsn: 100 }))).rejects.toThrow(LogBehind);
    await expect(world.run(publishWal(options))).resolves.toMatchObject({ logs: [], records: 0 });
  });

  it('continues without the data of the volume when an operator gives it up, once', async () => {
    const world = new World();
    await world.startSession();
    const options = { ...(await fence(world)), volume: '/empty', syncedLsn: 100 };
    world.disk.makeDirectory('/empty');
    world.disk.create('/empty/given-up').close();
    const { cleanUp, records } = await world.run(publishWal(options));
    expect(records).toBe(0);
    await world.run(cleanUp());
    await expect(world.run(publishWal(options))).rejects.toThrow(VolumeMissing);
  });

  it('cannot be given up once the next session has begun', async () => {
    const world = new World();
    world.disk.makeDirectory('/v1');
    world.disk.create('/v1/given-up').close();
    await world.startSession();
    expect(world.disk.exists('/v1/given-up')).toBe(false);
  });
});

describe('a recovery that began before the fence', () => {
  async function begun(world: World) {
    const log = await world.open(await world.startSession());
    await world.append(log, batchOf(['a', 'b']));
    const options = await fence(world);
    const begin = (volume = '/v1') => beginRecovery({ ...options, volume });
    return { options, begin };
  }

  it('publishes what it read before, in the file that was announced with the fence', async () => {
    const world = new World();
    const { options, begin } = await begun(world);
    const ahead = begin();
    await world.rows.transact([ahead.announcement]);
    await world.run(ahead.read);
    // It is not read again.
    for (const name of world.disk.list(world.walDirectory)) world.disk.remove(`${world.walDirectory}/${name}`);
    expect(await world.run(publishWal({ ...options, ahead }))).toMatchObject({ records: 1, segmentsPublished: 1 });
    expect(world.disk.list(segmentsDirectory).some((name) => name.startsWith(ahead.fileId))).toBe(true);
    expect(await world.values(await world.open(await world.startSession(), 9))).toEqual(['a', 'b']);
  });

  it('fails with its reading, leaves no file, and the next attempt starts over', async () => {
    const world = new World();
    const { options, begin } = await begun(world);
    const ahead = begin('/unmounted');
    await world.rows.transact([ahead.announcement]);
    await expect(world.run(publishWal({ ...options, ahead }))).rejects.toThrow(VolumeMissing);
    expect(await world.rows.get(ahead.announcement.key)).toBeUndefined();
    await expect(world.run(publishWal(options))).resolves.toMatchObject({ records: 1, segmentsPublished: 1 });
  });
});

describe('recovery of a session whose log has gone on elsewhere', () => {
  it('publishes nothing of that log, even if the next owner has no segment and has moved the start twice', async () => {
    const world = new World();
    const former = await world.startSession();
    const { sessionEpoch } = world;
    await world.append(await world.open(former, 1), batchOf(['a']));
    await world.run(former.rollUp());
    const next = await world.open(await world.startSession(), 2);
    for (const value of ['b', 'c']) {
      await world.run(next.deleteRecords(-1));
      await world.append(next, batchOf([value]));
    }
    await world.run(next.deleteRecords(2));
    // It would be written over what the recovery of the next owner publishes at the same offset, or under it.
    const { segmentsPublished } = await world.run(publishWal({ ...(await fence(world)), sessionEpoch }));
    expect(segmentsPublished).toBe(0);
  });
});

describe('a file in the session’s folder that is not a part of its log', () => {
  it.each(['recovery', 'orderly end'])('stays there after the %s, and stops nothing', async (how) => {
    const world = new World();
    const store = await world.startSession();
    await world.append(await world.open(store), batchOf(['a']));
    const stray = `${world.walDirectory}/.nfs0000000000000001`;
    world.disk.create(stray).close();
    if (how === 'recovery') {
      world.crash('all');
      await world.recover();
    } else {
      await world.run(store.close());
    }
    expect(world.disk.list(stray.slice(0, stray.lastIndexOf('/')))).toEqual(['.nfs0000000000000001']);
    expect(await world.values(await world.open(await world.startSession()))).toEqual(['a']);
    expect(world.fatal).toEqual([]);
  });
});

describe('a batch in the log whose count and offsets disagree', () => {
  it('costs its own readers what it holds, and is no end of the log', async () => {
    const world = new World();
    const log = await world.open(await world.startSession());
    for (let i = 0; i < 5; i++) await world.append(log, batchOf([`${i}`, `${i}`]));
    world.crash('all');
    const file = world.disk.open(`${world.walDirectory}/00000000.wal`);
    const bytes = Buffer.alloc(file.sizeBytes());
    file.readSync(bytes, 0);
    const { salt } = decodeChunkHeader(bytes)!;
    let at = walChunkHeaderBytes;
    for (let i = 0; i < 3; i++) {
      const { topicId, partition, batchBytes, lsn, durableLsn } = decodeRecordHeader(bytes, at, salt)!;
      const from = at + walRecordHeaderBytes;
      const batch = bytes.subarray(from, from + batchBytes);
      if (i === 2) batch.writeInt32BE(3, batchField.count);
      batch.writeUInt32BE(batchCrc(batch, 0), batchField.crc);
      encodeRecordHeader(bytes, at, salt, topicId, partition, batch, lsn, durableLsn);
      at = from + batchBytes;
    }
    file.writeSync([bytes], 0);
    expect(await world.recover()).toMatchObject({ records: 5, segmentsPublished: 1 });
    const recovered = await world.open(await world.startSession());
    const codes: number[] = [];
    for (let offset = 0; offset < 10; offset++) codes.push((await world.read(recovered, offset, 1)).errorCode);
    expect(codes).toEqual([0, 0, 0, 0, 56, 56, 0, 0, 0, 0]);
  });
});

describe('a leader epoch that no broker can have written', () => {
  /** Gives the records of the session's chunk these epochs, under checksums that hold. */
  function forge(world: World, epochs: readonly number[]): void {
    const file = world.disk.open(`${world.walDirectory}/00000000.wal`);
    const bytes = Buffer.alloc(file.sizeBytes());
    file.readSync(bytes, 0);
    const { salt } = decodeChunkHeader(bytes)!;
    let at = walChunkHeaderBytes;
    for (const epoch of epochs) {
      const { topicId, partition, batchBytes, lsn, durableLsn } = decodeRecordHeader(bytes, at, salt)!;
      const from = at + walRecordHeaderBytes;
      const batch = bytes.subarray(from, from + batchBytes);
      restamp(batch, 0, baseOffset(batch, 0), epoch);
      encodeRecordHeader(bytes, at, salt, topicId, partition, batch, lsn, durableLsn);
      at = from + batchBytes;
    }
    file.writeSync([bytes], 0);
  }

  it.each([
    ['in the log', [5, 4], 'has leader epoch 4 at offset 1, behind epoch 5'],
    ['in the log, behind the epochs that rows tell', [0, 0], 'has leader epoch 0 at offset 0, behind epoch 3'],
  ])('is refused by the log’s name: %s', async (_, epochs, message) => {
    const world = new World();
    const log = await world.open(await world.startSession(), 5);
    for (const value of ['a', 'b']) await world.append(log, batchOf([value]));
    if (epochs[0] === 0) {
      const key = { pk: `LOG#${uuidText(topicA)}#0`, sk: 'STATE' };
      await world.rows.transact([{ op: 'put', key, value: '{"startOffset":0,"epochs":[[3,0]],"foldedTo":0}' }]);
    }
    world.crash('all');
    forge(world, epochs);
    await expect(world.recover()).rejects.toThrow(`log ${uuidText(topicA)}-0 ${message}`);
    await expect(world.recover()).rejects.toBeInstanceOf(DataCorrupt);
    forge(world, [5, 5]);
    expect(await world.recover()).toMatchObject({ records: 2, segmentsPublished: 1 });
  });
});

describe('a row that somebody else has written', () => {
  const segmentRow = { pk: `LOG#${uuidText(topicA)}#0`, sk: 'SEG#0000000000000000' };

  it('is not overwritten by a recovery that does not know it; the next attempt reads it', async () => {
    const world = new World();
    await world.append(await world.open(await world.startSession()), batchOf(['a', 'b']));
    const options = await fence(world);
    const { rows } = world;
    let hasOther = false;
    const store = storeWith(world, async (ops, token) => {
      // The other process has the same right: only the row itself shows that it was first.
      const isFirst = !hasOther && ops.some(({ key }) => key.sk === segmentRow.sk);
      if (isFirst) hasOther = true;
      if (isFirst) await publishWal(options);
      await rows.transact(ops, token);
    });
    await expect(world.run(publishWal({ ...options, store }))).rejects.toThrow(LogRowsChanged);
    expect((await rows.get(segmentRow))!.version).toBe(1);
    expect((await world.run(publishWal(options))).segmentsPublished).toBe(0);
    const next = await world.open(await world.startSession(), 9);
    expect(await world.values(next)).toEqual(['a', 'b']);
  });

  it('ends a session that would roll up over it, and its log stays', async () => {
    const world = new World();
    const store = await world.startSession();
    await world.append(await world.open(store), batchOf(['a']));
    await world.rows.transact([{ op: 'put', key: segmentRow, value: 'of somebody else' }]);
    await expect(world.run(store.rollUp())).rejects.toThrow(LogRowsChanged);
    expect(world.fatal).toMatchObject([{ code: 'store-conflict' }]);
    expect((await world.rows.get(segmentRow))!.value).toBe('of somebody else');
    await world.rows.transact([{ op: 'delete', key: segmentRow }]);
    await world.recover();
    expect(await world.values(await world.open(await world.startSession(), 9))).toEqual(['a']);
  });

  it.each([
    ['a segment', segmentRow.sk],
    ['the start', 'STATE'],
  ])('stays if the deleted part was %s before the change', async (_, sk) => {
    const world = new World({ mergeBytesMax: 0 });
    const store = await world.startSession();
    const log = await world.open(store);
    await world.append(log, batchOf(['a']));
    await world.run(store.rollUp());
    await world.append(log, batchOf(['b']));
    const key = { ...segmentRow, sk };
    await world.rows.transact([{ op: 'put', key, value: 'of somebody else' }]);
    await expect(world.run(log.deleteRecords(1))).rejects.toThrow(LogRowsChanged);
    expect((await world.rows.get(key))!.value).toBe('of somebody else');
    expect(world.fatal).toHaveLength(1);
  });
});

describe('the seal of a recovery', () => {
  const sealed = async (world: World) => {
    const options = await fence(world);
    const { version } = (await world.rows.get(sessionRow))!;
    const seal: StoreOp = { op: 'put', key: sessionRow, value: '{"recovered":1}', if: { version } };
    return { ...options, seal };
  };
  const rowOf = async (world: World): Promise<string> => (await world.rows.get(sessionRow))!.value;

  async function write(world: World, partitions: number): Promise<void> {
    const store = await world.startSession();
    for (let partition = 0; partition < partitions; partition++) {
      await world.append(await world.open(store, 0, {}, topicA, partition), batchOf(['a']));
    }
  }

  it('is part of the transaction that publishes everything', async () => {
    const world = new World();
    await write(world, 3);
    const { isSealed, segmentsPublished } = await world.run(publishWal(await sealed(world)));
    expect({ isSealed, segmentsPublished }).toEqual({ isSealed: true, segmentsPublished: 3 });
    expect(await rowOf(world)).toBe('{"recovered":1}');
  });

  it.each([
    ['there was nothing to publish', 0],
    ['it took several transactions', 120],
  ])('is left to the caller if %s', async (_, partitions) => {
    const world = new World();
    await write(world, partitions);
    const { isSealed, segmentsPublished } = await world.run(publishWal(await sealed(world)));
    expect({ isSealed, segmentsPublished }).toEqual({ isSealed: false, segmentsPublished: partitions });
    expect(await rowOf(world)).toBe('{"fenced":1}');
  });

  it('is refused, with all that it would seal, if another process recovers', async () => {
    const world = new World();
    await write(world, 2);
    const options = await sealed(world);
    const { rows } = world;
    let isAnnounced = false;
    const store = storeWith(world, async (ops, token) => {
      await rows.transact(ops, token);
      // The file is announced under the row as it was; then another controller takes the recovery over.
      if (!isAnnounced) await rows.transact([{ op: 'put', key: sessionRow, value: '{"fenced":2}' }]);
      isAnnounced = true;
    });
    await expect(world.run(publishWal({ ...options, store }))).rejects.toThrow(SessionFenced);
    expect(await rowOf(world)).toBe('{"fenced":2}');
    const ofLog = await rows.range(`LOG#${uuidText(topicA)}#0`);
    expect(ofLog.rows.filter(({ sk }) => sk.startsWith('SEG#'))).toEqual([]);
  });
});
