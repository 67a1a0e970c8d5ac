/** What is wrong around `headgate serve` ends it at once: in one line, with an exit code, and before anything is made. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';

vi.setConfig({ testTimeout: 120_000 });

const program = fileURLToPath(new URL('../../bin/headgate.mjs', import.meta.url));
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'headgate-start-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function serve(flags: readonly string[], before = ''): Promise<Ended> {
  const ports = ['--kafka-port', '0', '--http-port', '0', '--admin-port', '0'];
  const words = [program, 'serve', '--data', join(folder, 'data'), ...ports, ...flags];
  const child = spawn('/bin/sh', ['-c', `${before} exec "$0" "$@"`, process.execPath, ...words]);
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  return { code: code as number, out, err };
}

it('too few open files', async () => {
  const ended = await serve([], 'ulimit -n 32;');
  expect(ended).toMatchObject({ code: 2, out: '' });
  expect(ended.err).toMatch(/^headgate: this process may have 32 files open: allow at least 128, [^\n]*\n$/);
  expect(existsSync(join(folder, 'data'))).toBe(false);
});

it('a port in use, before a broker starts', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  const ended = await serve(['--http-port', String(port)]);
  other.close();
  expect(ended).toMatchObject({ code: 1, out: '' });
  expect(ended.err).toMatch(new RegExp(`^headgate: port ${port} of 127\\.0\\.0\\.1 is in use: see [^\\n]*\\n$`));
  expect(existsSync(join(folder, 'data', 'demo.env'))).toBe(false);
});

it('a host without an address', async () => {
  const ended = await serve(['--host', 'nowhere.invalid']);
  expect(ended).toMatchObject({ code: 1, out: '' });
  expect(ended.err).toMatch(/^headgate: nowhere\.invalid has no address here \(E\w+\): see --host\n$/);
});

it('a reader of the help who has seen enough is no failure', async () => {
  const child = spawn('/bin/bash', [
    '-c',
    '"$@" | true; exit "${PIPESTATUS[0]}"',
    '_',
    process.execPath,
    program,
    'serve',
    '--help',
  ]);
  const [err, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')]);
  expect([code, err]).toEqual([0, '']);
});
