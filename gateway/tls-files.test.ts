import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { manualClock } from '../engine/kernel/manual-clock.ts';
import { fromWholePair, halfPairMsMax, lookIntervalMs, TlsFiles } from './tls-files.ts';

const fixtures = join(fileURLToPath(new URL('..', import.meta.url)), 'tests', 'fixtures', 'tls');

function setUp() {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-tls-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const certificateFile = join(folder, 'certificate.pem');
  const keyFile = join(folder, 'key.pem');
  const put = (name: 'certificate.pem' | 'key.pem', isNext: boolean): void => {
    copyFileSync(join(fixtures, isNext ? `next-${name}` : name), join(folder, name));
  };
  put('certificate.pem', false);
  put('key.pem', false);
  const clock = manualClock();
  const told: string[] = [];
  const files = new TlsFiles({ certificateFile, keyFile, clock, log: (event) => told.push(event) });
  files.watch();
  let replaced = 0;
  const stop = files.onReplaced(() => replaced++);
  return {
    files,
    put,
    clock,
    told,
    keyFile,
    stop,
    replaced: () => replaced,
    look: () => clock.advance(lookIntervalMs),
  };
}

it('takes a new pair, also when its files come one after the other, without a word of the half', async () => {
  const { put, told, replaced, look, stop, files } = setUp();
  await look();
  put('certificate.pem', true);
  await look();
  expect(told).toEqual([]);
  put('key.pem', true);
  await look();
  expect([told, replaced()]).toEqual([['tls-certificate-replaced'], 1]);
  stop();
  put('certificate.pem', false);
  put('key.pem', false);
  files.look('asked');
  expect(replaced()).toBe(1);
  files.close();
});

it('keeps the old pair when the new one is broken, and says so once', async () => {
  const { put, told, replaced, look, files, keyFile } = setUp();
  const { pair } = files;
  put('certificate.pem', true);
  for (let i = 0; i < 5; i++) await look();
  expect([told, replaced()]).toEqual([['tls-certificate-refused'], 0]);
  rmSync(keyFile);
  for (let i = 0; i < 5; i++) await look();
  writeFileSync(keyFile, 'no key');
  files.look('asked');
  for (let i = 0; i < 5; i++) await look();
  expect([told.length, new Set(told), replaced()]).toEqual([3, new Set(['tls-certificate-refused']), 0]);
  expect(files.pair).toBe(pair);
  files.close();
});

it('tells again who could not take it', async () => {
  const { put, told, look, files } = setUp();
  let attempts = 0;
  files.onReplaced(() => {
    if (++attempts === 1) throw new Error('not now');
  });
  put('certificate.pem', true);
  put('key.pem', true);
  for (let i = 0; i < 3; i++) await look();
  expect(attempts).toBe(2);
  expect(told).toEqual(['tls-certificate-replaced', 'tls-certificate-refused']);
  files.close();
});

it('refuses to begin with files that are no pair', () => {
  const key = join(fixtures, 'next-key.pem');
  const options = { certificateFile: join(fixtures, 'certificate.pem'), keyFile: key, log: () => undefined };
  expect(() => new TlsFiles({ ...options, clock: manualClock() })).toThrow(/mismatch/);
});

describe('a start between the replacement of one file and of the other', () => {
  const begin = () => {
    const { put, clock, files, keyFile } = setUp();
    files.close();
    put('certificate.pem', true);
    const { certificateFile } = files;
    const options = { certificateFile, keyFile, clock, log: () => undefined };
    const made = fromWholePair(clock, () => new TlsFiles(options));
    made.catch(() => undefined);
    return { put, clock, made, keyFile };
  };

  it('takes the new pair when it is whole', async () => {
    const { put, clock, made } = begin();
    await clock.advance(halfPairMsMax / 2);
    put('key.pem', true);
    await clock.advance(halfPairMsMax / 2);
    const { cert } = (await made).pair;
    expect(cert).toEqual(readFileSync(join(fixtures, 'next-certificate.pem')));
  });

  it('fails when it stays half, with the words of OpenSSL', async () => {
    const { clock, made } = begin();
    await clock.advance(halfPairMsMax * 2);
    await expect(made).rejects.toThrow('key values mismatch');
  });

  it('fails at once when a file cannot be read', async () => {
    const { clock, made, keyFile } = begin();
    rmSync(keyFile);
    await clock.advance(halfPairMsMax / 10);
    await expect(made).rejects.toThrow('ENOENT');
  });
});
