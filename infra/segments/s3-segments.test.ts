/** What a service that speaks S3 may answer, and a real one (tests/s3) does not when asked. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it, vi } from 'vitest';
import { systemClock } from '../../engine/kernel/clock.ts';
import { type SegmentStore, SegmentsUnavailable } from '../../engine/ports.ts';
import { s3Defaults, s3Segments } from './s3-segments.ts';

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
  vi.unstubAllEnvs();
});

async function storeAt(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<SegmentStore> {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'test');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test');
  const server = createServer(answer);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  closing.push(() => {
    server.close();
    server.closeAllConnections();
  });
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return s3Segments({ bucket: 'segments', prefix: '', region: 'us-east-1', endpoint }, systemClock, {
    ...s3Defaults,
    attemptsMax: 1,
  });
}

/** A page of a listing, with what tells whether there are more. */
function pages(...ends: readonly string[]): Promise<SegmentStore> {
  let asked = 0;
  return storeAt((_, response) => {
    const end = ends[Math.min(asked++, ends.length - 1)]!;
    response.end(`<ListBucketResult><Contents><Key>f${asked}.seg</Key></Contents>${end}</ListBucketResult>`);
  });
}

const more = (token: string): string =>
  `<IsTruncated>true</IsTruncated><NextContinuationToken>${token}</NextContinuationToken>`;

it('a listing ends or fails, whatever it says about its next page', async () => {
  const last = '<IsTruncated>false</IsTruncated>';
  expect(await (await pages(more('a'), more('b'), last)).list()).toEqual(['f1', 'f2', 'f3']);
  for (const ends of [[more('a')], [more('a'), more('b'), more('a')], ['<IsTruncated>true</IsTruncated>']]) {
    await expect((await pages(...ends)).list()).rejects.toThrow(SegmentsUnavailable);
  }
});

it('a read returns no more than requested, and sends no request if it needs nothing', async () => {
  const whole = Buffer.alloc(3 << 20, 7);
  // Of a range that ends before it begins the service takes no notice (RFC 9110, 14.2), nor some of any range.
  const store = await storeAt((_, response) => response.writeHead(200, { 'Content-Length': whole.length }).end(whole));
  const once = store.open('file', 'once');
  expect(await once.read(Buffer.alloc(0), 100)).toBe(0);
  await expect(once.read(Buffer.alloc(10), 100)).rejects.toThrow(SegmentsUnavailable);
  await expect(store.open('file').read(Buffer.alloc(10), 100)).rejects.toThrow(SegmentsUnavailable);
});
