import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { processStateNow } from '../infra/fleet/process-state.ts';
import { type DataFolder, openDataFolder } from './data-folder.ts';
import { lockDataFolder, shareDataFolder, stoppedSharers } from './data-folder-lock.ts';

let folder: DataFolder;
beforeEach(() => {
  folder = openDataFolder(mkdtempSync(join(tmpdir(), 'data-folder-')));
});
afterEach(() => rmSync(folder.path, { recursive: true, force: true }));

const refusal = /is served by another headgate/;
const socketsIn = (path: string): string[] => readdirSync(path).filter((name) => name.endsWith('.sock'));

it('one process serves a data folder, or any number that share it', async () => {
  const one = await lockDataFolder(folder);
  await expect(lockDataFolder(folder)).rejects.toThrow(refusal);
  await expect(shareDataFolder(folder)).rejects.toThrow(refusal);
  one.close();
  const shares = [await shareDataFolder(folder), await shareDataFolder(folder)];
  await expect(lockDataFolder(folder)).rejects.toThrow(refusal);
  for (const share of shares) share.close();
  (await lockDataFolder(folder)).close();
});

it('a shared folder loses what killed processes left in it', async () => {
  const program = `require('net').createServer().listen(\`\${process.argv[1]}/any-\${process.pid}-ab.sock\`, () => process.kill(process.pid, 'SIGKILL'))`;
  for (const place of [folder.locks, folder.meta]) spawnSync(process.execPath, ['-e', program, place]);
  // Of an earlier version, which does not say where it lives: it answers, and its id is a process here.
  const earlier = `any-${process.ppid}-ab.sock`;
  const server = createServer((socket) => socket.destroy()).listen(join(folder.meta, earlier));
  await once(server, 'listening');
  const shares = [await shareDataFolder(folder), await shareDataFolder(folder)];
  expect([folder.locks, folder.meta].map((place) => socketsIn(place).length)).toEqual([2, 3]);
  expect(socketsIn(folder.meta)).toContain(earlier);
  for (const share of shares) share.close();
  server.close();
});

it.runIf(existsSync('/proc/self/stat'))('a shared folder names the stopped processes among its holders', async () => {
  const program = `require('net').createServer().listen(\`\${process.argv[1]}/any-\${process.pid}-ab.sock\`, () => console.log('up'))`;
  const stdio: ['ignore', 'pipe', 'inherit'] = ['ignore', 'pipe', 'inherit'];
  const sharers = [0, 1].map(() => spawn(process.execPath, ['-e', program, folder.locks], { stdio }));
  try {
    await Promise.all(sharers.map(({ stdout }) => once(stdout, 'data')));
    expect(stoppedSharers(folder)).toEqual([]);
    sharers[0]!.kill('SIGSTOP');
    await vi.waitFor(() => expect(stoppedSharers(folder)).toEqual([sharers[0]!.pid]), { timeout: 20_000 });
  } finally {
    for (const each of sharers) each.kill('SIGKILL');
  }
});

it.runIf(existsSync('/proc/self/stat'))('a folder stays with a stopped process, however often others ask', async () => {
  const program = `require('net').createServer().listen({ path: process.argv[1] + '/one-' + process.pid + '-ab.sock', backlog: 1 }, () => console.log('up'))`;
  const one = spawn(process.execPath, ['-e', program, folder.locks], { stdio: ['ignore', 'pipe', 'inherit'] });
  const asking: Socket[] = [];
  try {
    await once(one.stdout, 'data');
    one.kill('SIGSTOP');
    await vi.waitFor(() => expect(processStateNow(one.pid!)).toBe('T'), { timeout: 20_000 });
    const ask = (): Promise<unknown> => {
      const socket = connect(join(folder.locks, `one-${one.pid}-ab.sock`));
      asking.push(socket);
      return once(socket, 'connect').catch((error: unknown) => error);
    };
    let refused: unknown;
    while (asking.length < 10 && !(refused instanceof Error)) refused = await ask();
    expect(refused).toMatchObject({ code: 'EAGAIN' });
    await expect(lockDataFolder(folder)).rejects.toThrow(refusal);
    expect(socketsIn(folder.locks)).toEqual([`one-${one.pid}-ab.sock`]);
  } finally {
    for (const socket of asking) socket.destroy();
    one.kill('SIGKILL');
  }
});

it('a folder is not shared with another container, whose process ids mean other processes', async () => {
  const server = createServer((socket) => socket.end('pid:[1]')).listen(join(folder.locks, 'any-1-ab.sock'));
  await once(server, 'listening');
  await expect(shareDataFolder(folder)).rejects.toThrow(
    /any-1-ab\.sock: another headgate shares .* runs in another container/,
  );
  expect(socketsIn(folder.locks)).toEqual(['any-1-ab.sock']);
  server.close();
  await once(server, 'close');
  // Stopped there, it does not say so.
  const { pid } = spawnSync(process.execPath, ['-e', '']);
  server.removeAllListeners('connection');
  server.listen(join(folder.locks, `any-${pid}-ab.sock`));
  await once(server, 'listening');
  await expect(shareDataFolder(folder)).rejects.toThrow(/another headgate shares .* runs in another container/);
  server.close();
  await once(server, 'close');
  (await shareDataFolder(folder)).close();
});

it.each(['run', 'meta'] as const)(
  'a folder is known to be served after the contents of %s were removed',
  async (part) => {
    const one = await lockDataFolder(folder);
    for (const socket of socketsIn(join(folder.path, part))) rmSync(join(folder.path, part, socket));
    await expect(lockDataFolder(openDataFolder(folder.path))).rejects.toThrow(refusal);
    await expect(shareDataFolder(folder)).rejects.toThrow(refusal);
    one.close();
    (await lockDataFolder(folder)).close();
  },
);

it('at most one of many simultaneous processes gets the folder, even if a dead one left its lock', async () => {
  const program = `require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`;
  for (let round = 0; round < 5; round++) {
    const stale = join(folder.locks, round % 2 ? 'lock.sock' : 'one-1-ab.sock');
    spawnSync(process.execPath, ['-e', program, stale]);
    expect(socketsIn(folder.locks)).toHaveLength(1);
    const came = await Promise.allSettled(Array.from({ length: 6 }, () => lockDataFolder(folder)));
    const held = came.filter((each) => each.status === 'fulfilled');
    expect(held.length).toBeLessThanOrEqual(1);
    for (const { value } of held) value.close();
    (await lockDataFolder(folder)).close();
    expect(socketsIn(folder.locks)).toEqual([]);
  }
});

it.runIf(existsSync('/proc/self/fd'))(
  'a folder with a long path holds its own lock, whatever the temp folder is',
  async () => {
    const path = join(folder.path, 'long'.repeat(40));
    const [near, far] = [openDataFolder(path), { ...openDataFolder(path), run: '/another/temp/folder' }];
    expect(near.run.length).toBeLessThan(100);
    const one = await lockDataFolder(near);
    expect(socketsIn(join(near.path, 'run'))).toHaveLength(1);
    await expect(lockDataFolder(far)).rejects.toThrow(refusal);
    one.close();
    (await lockDataFolder(far)).close();
    rmSync(near.run, { recursive: true });
  },
);
