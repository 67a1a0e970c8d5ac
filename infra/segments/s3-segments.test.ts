/** What a service that speaks S3 may answer, and a real one (tests/s3) does not when asked. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it, vi } from 'vitest';
import { systemClock } from '../../engine/kernel/clock.ts';
import { type SegmentStore, SegmentsUnavailable } from '../../engine/ports.ts';
import { s3Defaults, s3Segments, type S3Settings } from './s3-segments.ts';

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
  vi.unstubAllEnvs();
});

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

async function storeAt(answer: Answer, settings: Partial<S3Settings> = {}): Promise<SegmentStore> {
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
    retryMs: 1,
    ...settings,
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

it('a read believes no answer that is cut short, begins elsewhere, or is the whole object', async () => {
  let headers: Record<string, string | number> = {};
  let body = Buffer.alloc(10, 7);
  const store = await storeAt((_, response) => response.writeHead(206, headers).end(body));
  const read = (position: number): Promise<number> => store.open('file', 'once').read(Buffer.alloc(10), position);
  headers = { 'Content-Range': 'bytes 20-29/40' };
  expect(await read(20)).toBe(10);
  await expect(read(30)).rejects.toThrow('sent from byte 20');
  body = Buffer.alloc(4);
  headers = { 'Content-Range': 'bytes 20-23/40' };
  await expect(read(20)).rejects.toThrow('asked for 10 bytes, the service sent 4');
  headers = { 'Content-Range': 'bytes 36-39/40' };
  expect(await read(36)).toBe(4);
  headers = {};
  expect(await read(0)).toBe(4);
  await expect(read(20)).rejects.toThrow(SegmentsUnavailable);
});

/** What one object of a service becomes, which forgets or cuts what it says it has stored. */
it.each([
  ['nothing', 404, 0],
  ['a part', 200, 3],
])('a put that is answered with success and stored %s has failed', async (_, status, length) => {
  const store = await storeAt((request, response) => {
    request.resume().on('end', () => {
      if (request.method === 'PUT') response.end();
      else response.writeHead(status, { 'Content-Length': length }).end();
    });
  });
  const file = store.create('file');
  await file.write([Buffer.from('12345')]);
  await expect(file.commit()).rejects.toThrow(`${length} of 5 bytes are stored`);
  await expect(file.commit()).rejects.toThrow(SegmentsUnavailable);
});

it('a reader is told in time that the service is silent, and what arrives late answers the next one', async () => {
  const waiting: (() => void)[] = [];
  const body = Buffer.alloc(10, 7);
  const store = await storeAt(
    (_, response) => waiting.push(() => response.writeHead(206, { 'Content-Range': 'bytes 0-9/10' }).end(body)),
    { readMsMax: 50, readAheadBlocks: 0 },
  );
  const target = Buffer.alloc(10);
  await expect(store.open('file').read(target, 0)).rejects.toThrow('no answer in 50 ms');
  await vi.waitFor(() => expect(waiting).toHaveLength(1), { timeout: 20_000 });
  for (const go of waiting.splice(0)) go();
  await vi.waitFor(async () => expect(await store.open('file').read(target, 0)).toBe(10), { timeout: 20_000 });
  expect(target.equals(body)).toBe(true);
  expect(waiting).toHaveLength(0);
});

it.each([
  [503, 'SlowDown'],
  [403, 'RequestTimeTooSkewed'],
  [403, 'InvalidAccessKeyId'],
  [403, 'AccessDenied'],
  [507, 'InsufficientStorage'],
])('a refusal of %i %s is an outage that ends by itself', async (status, code) => {
  let refuses = true;
  const stored = new Set<string>();
  const store = await storeAt((request, response) => {
    request.resume().on('end', () => {
      if (refuses) return response.writeHead(status).end(`<Error><Code>${code}</Code></Error>`);
      if (request.method === 'PUT') stored.add(request.url!.split('?')[0]!);
      else if (!stored.has(request.url!)) return response.writeHead(404).end();
      return response.writeHead(200, request.method === 'HEAD' ? { 'Content-Length': 1 } : {}).end();
    });
  });
  const file = store.create('file');
  await file.write([Buffer.from('x')]);
  await expect(file.commit()).rejects.toThrow(SegmentsUnavailable);
  await expect(store.open('file').read(Buffer.alloc(1), 0)).rejects.toThrow(SegmentsUnavailable);
  await expect(store.remove('file')).rejects.toThrow(SegmentsUnavailable);
  refuses = false;
  await file.commit();
});
