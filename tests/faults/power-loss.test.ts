/**
 * Loss of power under real brokers. Their disks keep a journal of every write and every sync; from it this makes the files
 * that the loss leaves, at the end for a whole installation that starts again, and at every moment of the run for the
 * scan of the write-ahead log.
 */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { below, seededRandom } from '../../engine/kernel/random.ts';
import { DataCorrupt } from '../../engine/log/log.ts';
import { MemoryDisk } from '../../engine/log/disk/memory-disk.ts';
import { scanWal } from '../../engine/log/wal/scan-wal.ts';
import { walChunkHeaderBytes, walRecordHeaderBytes } from '../../engine/log/wal/wal-format.ts';
import { createTopic, demoAccess, httpSender, judgeRecords, kafkaSender, readAll } from '../e2e/doors.ts';
import { FaultyInstallation, until } from './installation.ts';
import { imagesAfter, type JournalEntry, keepsAll, losePower, readJournals, type Survival } from './power-loss.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const topic = 'power';
const writers = 24;
const acknowledgedBeforeLoss = 300;
const flips = 600;

/** Records of a log in order, as text that is the same for the same bytes. */
async function scan(images: ReadonlyMap<string, Buffer>): Promise<{ records: string[]; ends: number[] }> {
  const disk = new MemoryDisk();
  let directory = '';
  for (const [path, bytes] of images) {
    directory = path.slice(0, path.lastIndexOf('/'));
    disk.makeDirectory(directory);
    const file = disk.create(path);
    if (bytes.length > 0) file.writeSync([bytes], 0);
    file.close();
  }
  const records: string[] = [];
  const ends: number[] = [];
  if (directory === '') return { records, ends };
  let end = walChunkHeaderBytes;
  const sessionEpoch = Number(directory.slice(directory.lastIndexOf('/') + 1));
  await scanWal({ disk, directory, sessionEpoch, sliceBytes: 1 << 20 }, ({ topicId, partition, batch }) => {
    records.push(`${topicId}${partition}${batch.toString('latin1')}`);
    ends.push((end += walRecordHeaderBytes + batch.length));
  });
  return { records, ends };
}

/** A journal's entries about its write-ahead log alone; marks count in the journal they are in. */
function walOnly(journal: readonly JournalEntry[]): JournalEntry[] {
  const kept: JournalEntry[] = [];
  const place: number[] = [];
  for (const entry of journal) {
    place.push(kept.length);
    if (!entry.path.includes('/wal')) continue;
    kept.push('before' in entry ? { ...entry, before: place[entry.before] ?? kept.length } : entry);
  }
  return kept;
}

/** How far the log was synced behind the first `count` entries. */
function syncedBytes(journal: readonly JournalEntry[], count: number): number {
  let bytes = 0;
  for (const [index, entry] of journal.slice(0, count).entries()) {
    if (entry.op !== 'synced') continue;
    for (const write of journal.slice(0, Math.min(entry.before, index))) {
      if (write.op !== 'write' || write.path !== entry.path) continue;
      bytes = Math.max(bytes, write.position + Buffer.from(write.data, 'base64').length);
    }
  }
  return bytes;
}

describe('a loss of power', () => {
  let site: FaultyInstallation;
  let journals: JournalEntry[][];
  /** The longest write-ahead log that a broker had. */
  let journal: JournalEntry[];
  let whole: { records: string[]; ends: number[] };
  const sent: string[] = [];
  const acknowledged: string[] = [];

  beforeAll(async () => {
    site = await FaultyInstallation.start();
    await createTopic(site.instance, demoAccess(site.instance), topic, 6);
    const kafka = await kafkaSender(site.instance, demoAccess(site.instance), topic);
    const http = httpSender(site.instance, demoAccess(site.instance), topic);
    let isOver = false;
    for (let writer = 0; writer < writers; writer++) {
      const send = writer % 2 === 0 ? http : kafka.send;
      const write = async (): Promise<void> => {
        for (let n = 0; !isOver; n++) {
          const value = `${writer}:${n}`;
          sent.push(value);
          // Each is sent once: the outcome of writes that the power loss interrupts stays unknown.
          if (!(await send(`${writer}`, value))) return;
          if (!isOver) acknowledged.push(value);
        }
      };
      void write().catch(() => undefined);
    }
    await until('enough is acknowledged', () => acknowledged.length >= acknowledgedBeforeLoss);
    await site.kill(() => (isOver = true));
    journals = readJournals(site.folder);
    const logs = await Promise.all(
      journals.map(async (all) => ({
        log: walOnly(all),
        all: await scan(imagesAfter(walOnly(all), all.length, keepsAll)),
      })),
    );
    const longest = logs.toSorted((a, b) => b.all.records.length - a.all.records.length)[0]!;
    journal = longest.log;
    whole = longest.all;
    expect(whole.records.length).toBeGreaterThan(20);
  });
  afterAll(() => site.remove());

  it('at any moment, with any part of what was not synced, leaves a prefix with all that was synced', async () => {
    const random = seededRandom(5);
    const random512: Survival = {
      keptBytes: (_index, bytes) =>
        [0, bytes, Math.min(bytes, 512 * below(random, 9)), below(random, bytes)][below(random, 4)]!,
      keepsName: () => below(random, 2) === 1,
    };
    for (let count = 0; count <= journal.length; count++) {
      const { records } = await scan(imagesAfter(journal, count, random512));
      expect(whole.records.slice(0, records.length)).toEqual(records);
      const synced = syncedBytes(journal, count);
      const least = whole.ends.filter((end) => end <= synced).length;
      expect(records.length, `after entry ${count}`).toBeGreaterThanOrEqual(least);
    }
  });

  it('that tears the last commit at any byte leaves all records before it', async () => {
    const last = journal.findLastIndex(({ op }) => op === 'write');
    const write = journal[last] as Extract<JournalEntry, { op: 'write' }>;
    const bytes = Buffer.from(write.data, 'base64').length;
    for (let kept = 0; kept <= bytes; kept++) {
      const images = imagesAfter(journal, last + 1, {
        ...keepsAll,
        keptBytes: (index, all) => (index === last ? kept : all),
      });
      const { records } = await scan(images);
      const ends = write.position + kept;
      expect(records).toHaveLength(whole.ends.filter((end) => end <= ends).length);
    }
  });

  it('and a flipped bit anywhere in the log never produce a false record', async () => {
    const [[path, image]] = [...imagesAfter(journal, journal.length, keepsAll)] as [[string, Buffer]];
    const random = seededRandom(6);
    let refused = 0;
    for (let n = 0; n < flips; n++) {
      const bit = below(random, image.length * 8);
      const flipped = Buffer.from(image);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      try {
        const { records } = await scan(new Map([[path, flipped]]));
        expect(whole.records.slice(0, records.length)).toEqual(records);
        // Only at the very end can damage not be told from a torn write.
        expect(records.length).toBeGreaterThan(whole.records.length / 2);
      } catch (error) {
        if (!(error instanceof DataCorrupt)) throw error;
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(flips / 4);
  });

  it('loses nothing acknowledged, and invents nothing', async () => {
    const random = seededRandom(7);
    for (const each of journals) {
      const survival: Survival = {
        keptBytes: (_index, bytes) => (below(random, 3) === 0 ? bytes : below(random, bytes + 1)),
        keepsName: () => below(random, 2) === 1,
      };
      const images = losePower(each, survival);
      const log = walOnly(each);
      const all = await scan(imagesAfter(log, log.length, keepsAll));
      const least = all.ends.filter((end) => end <= syncedBytes(log, log.length)).length;
      const left = await scan(new Map([...images].filter(([path]) => path.includes('/wal/'))));
      expect(left.records.length).toBeGreaterThanOrEqual(least);
    }
    await site.startAgain();
    const records = await readAll(site.instance, demoAccess(site.instance), topic);
    expect(judgeRecords(records, acknowledged)).toEqual({ lost: [], duplicates: [], disordered: [] });
    const known = new Set(sent);
    expect(records.filter(({ value }) => !known.has(value))).toEqual([]);
  });
});
