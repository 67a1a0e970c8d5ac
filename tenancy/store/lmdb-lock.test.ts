import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRequire } from 'node:module';
import { afterEach, expect, it } from 'vitest';
import { WriterLock, type WriterLockHolder } from './lmdb-lock.ts';

const directory = mkdtempSync(join(tmpdir(), 'headgate-lock-'));
let child: ChildProcess | undefined;
afterEach(() => {
  child?.kill('SIGKILL');
  rmSync(directory, { recursive: true });
});

/** Stops itself in the middle of a transaction. */
const writer = `
  const { open } = require(process.argv[1]);
  const db = open({ path: process.argv[2], noSubdir: false });
  db.transactionSync(() => {
    db.putSync('a', 1);
    process.kill(process.pid, 'SIGSTOP');
  });
  setInterval(() => undefined, 1000);
`;

// Where the C library's mutex is known (lmdb-lock.ts).
const isTold = process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch);

it.runIf(isTold)('the writer lock names the thread that holds it, for as long as it does', async () => {
  const lock = new WriterLock(directory);
  expect(lock.holder()).toBeUndefined();
  const lmdb = createRequire(import.meta.url).resolve('lmdb');
  child = spawn(process.execPath, ['-e', writer, lmdb, directory], { stdio: 'ignore' });
  const { pid } = child;
  await expect.poll(() => lock.holder(), { timeout: 20_000 }).toEqual({ thread: pid, commit: 0n });
  // Again and again: it may have taken the lock and not have stopped itself yet.
  const goOn = (): WriterLockHolder | undefined => {
    child!.kill('SIGCONT');
    return lock.holder();
  };
  await expect.poll(goOn, { timeout: 20_000 }).toBeUndefined();
});
