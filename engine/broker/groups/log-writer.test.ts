import { describe, expect, it } from 'vitest';
import { manualClock } from '../../kernel/manual-clock.ts';
import { Overloaded, ShuttingDown } from '../../kernel/failure.ts';
import { AppendUnsure, type LogRecord } from './coordinator-log.ts';
import { HeldLog } from './coordinator.suite.ts';
import { LogWriter, RecordTooLarge } from './log-writer.ts';

const limits = { appendBytesMax: 100, recordBytesMax: 200, writeQueueBytesMax: 1000, checkpointBytes: 1e9 };
const record = (text: string): LogRecord => ({ key: Buffer.from(text), value: null });
const clock = manualClock();
const settle = (): Promise<void> => clock.settle();

async function textsIn(log: HeldLog): Promise<string[]> {
  const texts: string[] = [];
  await log.replay(({ key, value }) =>
    texts.push(Buffer.from(key).toString() + (value ? `=${Buffer.from(value)}` : '')),
  );
  return texts;
}

function writerOn(log: HeldLog, settings: Partial<typeof limits> = {}, state = new Map<string, string>()): LogWriter {
  return new LogWriter(log, { ...limits, ...settings }, function* () {
    for (const [key, value] of state) yield { key: Buffer.from(key), value: Buffer.from(value) };
  });
}

describe('LogWriter', () => {
  it('applies changes in log order, and only durable ones', async () => {
    const log = new HeldLog();
    const writer = writerOn(log);
    const applied: string[] = [];
    log.hold = true;
    const writes = ['a', 'b', 'c'].map((each) => writer.write([record(each)], () => applied.push(each)));
    await settle();
    const late = writer.write([record('d')], () => applied.push('d'));
    await settle();
    expect(applied).toEqual([]);
    log.release();
    await Promise.all([...writes, late]);
    expect(applied).toEqual(['a', 'b', 'c', 'd']);
    expect(await textsIn(log)).toEqual(['a', 'b', 'c', 'd']);
  });

  it('fails the changes in a refused append and continues', async () => {
    const log = new HeldLog();
    const writer = writerOn(log);
    let applied = 0;
    log.failWith = new Overloaded('full');
    await expect(writer.write([record('a')], () => applied++)).rejects.toThrow('full');
    log.failWith = undefined;
    await writer.write([record('b')], () => applied++);
    expect(applied).toBe(1);
    expect(await textsIn(log)).toEqual(['b']);
  });

  it('applies the part that is in the log when a write is refused half way', async () => {
    const log = new HeldLog();
    const writer = writerOn(log);
    const applied: string[] = [];
    const texts = ['a', 'b', 'c'].map((each) => each.repeat(60));
    const large = writer.write(texts.map(record), (from, to) => {
      applied.push(...texts.slice(from, to));
      if (to === 1) log.failWith = new Overloaded('full');
    });
    await expect(large).rejects.toBeInstanceOf(AppendUnsure);
    log.failWith = undefined;
    await writer.write([record('d')], () => applied.push('d'));
    expect(applied).toEqual([texts[0], 'd']);
    expect(await textsIn(log)).toEqual(applied);
    await Promise.all(Array.from({ length: 9 }, () => writer.write([record('x'.repeat(100))], () => {})));
  });

  it('appends nothing more of a write that was refused half way', async () => {
    const log = new HeldLog();
    const writer = writerOn(log);
    const append = log.append.bind(log);
    let appends = 0;
    log.append = async (records) => {
      if (++appends === 2) throw new Overloaded('full');
      await append(records);
    };
    const texts = ['a', 'b', 'c'].map((each) => each.repeat(60));
    await expect(writer.write(texts.map(record), () => {})).rejects.toBeInstanceOf(AppendUnsure);
    await writer.write([record('d')], () => {});
    expect(await textsIn(log)).toEqual([texts[0], 'd']);
  });

  it('reports a write of many appends once all of it is there', async () => {
    const log = new HeldLog();
    const writer = writerOn(log);
    const texts = ['a', 'b', 'c', 'd'].map((each) => each.repeat(60));
    const ranges: number[][] = [];
    await writer.write(texts.map(record), (from, to) => ranges.push([from, to]));
    expect(ranges).toEqual([
      [0, 1],
      [1, 2],
      [2, 3],
      [3, 4],
    ]);
    expect(await textsIn(log)).toEqual(texts);
  });

  it('refuses records and queues over their limits', async () => {
    const log = new HeldLog();
    const writer = writerOn(log, { writeQueueBytesMax: 150 });
    await expect(writer.write([record('x'.repeat(201))], () => {})).rejects.toBeInstanceOf(RecordTooLarge);
    log.hold = true;
    const first = writer.write([record('x'.repeat(100))], () => {});
    await expect(writer.write([record('y'.repeat(100))], () => {})).rejects.toBeInstanceOf(Overloaded);
    log.release();
    await first;
    await writer.write([record('z'.repeat(100))], () => {});
  });

  it('applies nothing after close, and answers everything', async () => {
    const log = new HeldLog();
    const writer = writerOn(log);
    let applied = 0;
    log.hold = true;
    const inFlight = writer.write([record('a')], () => applied++);
    await settle();
    const waiting = writer.write([record('b')], () => applied++);
    writer.close();
    await expect(waiting).rejects.toBeInstanceOf(ShuttingDown);
    log.release();
    // The record is in the log, but this coordinator no longer applies it.
    await expect(inFlight).rejects.toBeInstanceOf(AppendUnsure);
    await expect(writer.write([record('c')], () => {})).rejects.toBeInstanceOf(ShuttingDown);
    expect(applied).toBe(0);
  });

  it('never reports a write as not stored while part of it is with the log', async () => {
    const log = new HeldLog();
    const writer = writerOn(log);
    log.hold = true;
    const many = writer.write(
      Array.from({ length: 30 }, (_, i) => record(`${i}`.repeat(20))),
      () => {},
    );
    await settle();
    writer.close();
    log.release();
    await expect(many).rejects.toBeInstanceOf(AppendUnsure);
  });

  it('waits for writes in flight when asked to settle', async () => {
    const log = new HeldLog();
    const writer = writerOn(log);
    await writer.settled();
    let applied = 0;
    void writer.write([record('a')], () => applied++);
    await writer.settled();
    expect(applied).toBe(1);
  });

  it('checkpoints between appends, and a replay from there restores the live state', async () => {
    const log = new HeldLog();
    const state = new Map<string, string>();
    const writer = writerOn(log, { checkpointBytes: 300, appendBytesMax: 20 }, state);
    const put = (key: string, value: string): Promise<void> =>
      writer.write([{ key: Buffer.from(key), value: Buffer.from(value) }], () => state.set(key, value));
    for (let i = 0; i < 400; i++) {
      const both = [put(`key${i % 17}`, `v${i}`), put(`key${(i * 5) % 23}`, `w${i}`)];
      if (i % 7 === 0) await Promise.all(both);
      else void Promise.all(both);
    }
    await writer.settled();
    await settle();
    const replayed = new Map<string, string>();
    await log.replay(({ key, value }) => replayed.set(key.toString(), Buffer.from(value!).toString()));
    expect(replayed).toEqual(state);
    expect(log.inner.startOffset()).toBeGreaterThan(400);
    expect(log.endOffset() - log.inner.startOffset()).toBeLessThan(200);
  });

  it('abandons a checkpoint that cannot be written, and loses nothing', async () => {
    const log = new HeldLog();
    const state = new Map([['k', 'v'.repeat(50)]]);
    const writer = writerOn(log, { checkpointBytes: 10 }, state);
    await writer.write([record('a'.repeat(20))], () => (log.failWith = new Overloaded('full')));
    await settle();
    expect(log.inner.startOffset()).toBe(0);
    log.failWith = undefined;
    await writer.write([record('b'.repeat(20))], () => {});
    await settle();
    expect(log.inner.startOffset()).toBe(2);
    expect(await textsIn(log)).toEqual([`k=${'v'.repeat(50)}`]);
  });

  it('checkpoints a long log right after reading it', async () => {
    const log = new HeldLog();
    for (let i = 0; i < 9; i++) await log.append([record(`old${i}`)]);
    const writer = writerOn(log, { checkpointBytes: 10 }, new Map([['k', 'v']]));
    writer.loaded(36);
    await settle();
    expect(await textsIn(log)).toEqual(['k=v']);
  });
});
