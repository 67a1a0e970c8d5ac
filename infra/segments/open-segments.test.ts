/** A bucket that is silent, missing or refuses the keys, for a process that starts. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { MemoryDisk } from '../../engine/log/disk/memory-disk.ts';
import { MovableClock } from '../../engine/store-fixture.suite.ts';
import { openSegments, type OpenedSegments } from './open-segments.ts';

const closing: (() => void)[] = [];
let folder: string;
let clock: MovableClock;
beforeEach(() => {
  clock = new MovableClock();
  folder = mkdtempSync(join(tmpdir(), 'headgate-keys-'));
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'test');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test');
});
afterEach(() => {
  for (const close of closing.splice(0)) close();
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

async function opened(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
  refusal?: 'throws' | 'warns',
): Promise<OpenedSegments & { readonly told: string[] }> {
  const server = createServer(answer);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  closing.push(() => {
    server.close();
    server.closeAllConnections();
  });
  const segmentsEndpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const settings = { segments: 's3://bucket/p', segmentsEndpoint, durability: 'fsync' };
  const told: string[] = [];
  const local = { disk: new MemoryDisk(), directory: 'segments' };
  return { ...(await openSegments(settings, local, clock, (text) => told.push(text), refusal)), told };
}

it('a bucket that does not answer delays a start by two seconds, and is told of', async () => {
  const { told, trouble } = await opened(() => undefined);
  expect(told).toEqual(['segments: s3://bucket has not answered in 2 s: starting without it']);
  expect(await trouble!()).toMatch(/^segments: the bucket has not answered for \d+ s$/);
});

it.each([
  [404, 'does not exist'],
  [403, 'refuses these credentials'],
])('a bucket that answers %i refuses the first start, and is an outage for those that join', async (status, what) => {
  // However busy the machine is, the answer comes in time.
  clock.after = () => ({ cancel: () => undefined });
  const answer = (_: IncomingMessage, response: ServerResponse): void => void response.writeHead(status).end();
  await expect(opened(answer)).rejects.toThrow(`segments: s3://bucket ${what}`);
  const { told } = await opened(answer, 'warns');
  expect(told).toEqual([`segments: s3://bucket ${what}`]);
});

it('keys in a shared file are read again when the bucket refuses those it has', async () => {
  const keys = join(folder, 'credentials');
  const write = (id: string): void =>
    writeFileSync(keys, `[default]\naws_access_key_id = ${id}\naws_secret_access_key = s\n`);
  write('first');
  vi.stubEnv('AWS_ACCESS_KEY_ID', undefined);
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', undefined);
  vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', keys);
  let allowed = 'first';
  const seen: string[] = [];
  const { segments } = await opened((request, response) => {
    const [, id = ''] = /Credential=([^/]+)/.exec(request.headers.authorization ?? '') ?? [];
    seen.push(id);
    if (id === allowed) return response.writeHead(204).end();
    return response.writeHead(403).end('<Error><Code>InvalidAccessKeyId</Code></Error>');
  });
  await segments.remove('file');
  allowed = 'second';
  await expect(segments.remove('file')).rejects.toThrow('InvalidAccessKeyId');
  write('second');
  await expect(segments.remove('file')).rejects.toThrow('InvalidAccessKeyId');
  clock.advance(10_000);
  await expect(segments.remove('file')).rejects.toThrow('InvalidAccessKeyId');
  await segments.remove('file');
  expect(new Set(seen)).toEqual(new Set(['first', 'second']));
});
