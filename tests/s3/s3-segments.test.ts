import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../engine/kernel/clock.ts';
import { SegmentsUnavailable } from '../../engine/ports.ts';
import { s3Defaults, s3Segments } from '../../infra/segments/s3-segments.ts';
import { segmentStoreSuite } from '../../infra/segments/segment-store.suite.ts';
import { bucket, S3Server } from './s3-server.ts';

describe('segments in S3', () => {
  let server: S3Server;
  const open = (name = bucket) => {
    const location = { bucket: name, prefix: 'suite/', region: 'us-east-1', endpoint: server.endpoint };
    return s3Segments(location, systemClock, { ...s3Defaults, retryMs: 10 });
  };
  beforeAll(async () => void (server = await S3Server.start()));
  afterAll(() => server.remove());

  segmentStoreSuite(() => open());

  it('never overwrite an existing object', async () => {
    const store = open();
    const put = async (text: string): Promise<void> => {
      const file = store.create('same-name');
      await file.write([Buffer.from(text)]);
      await file.commit();
    };
    await put('first');
    await expect(put('other bytes')).rejects.toThrow(SegmentsUnavailable);
    const target = Buffer.alloc(5);
    expect(await store.open('same-name').read(target, 0)).toBe(5);
    expect(target.toString()).toBe('first');
    // What a put whose answer was lost looks like to its next attempt.
    await put('again');
    await store.remove('same-name');
  });

  it('say what is wrong with the bucket, and fail with a retriable error when nobody answers', async () => {
    await open().probe();
    await expect(open('no-such-bucket').probe()).rejects.toThrow('does not exist');
    await server.down();
    const store = open();
    await expect(store.probe()).rejects.toThrow(SegmentsUnavailable);
    await expect(store.list()).rejects.toThrow(SegmentsUnavailable);
    const file = store.create('late');
    await file.write([Buffer.from('x')]);
    await expect(file.commit()).rejects.toThrow(SegmentsUnavailable);
    await server.up();
    await file.commit();
    expect(await store.list()).toEqual(['late']);
    await store.remove('late');
  });
});
