import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';

type OneAtATime = (folder: string, work: () => void | Promise<void>, waits: (holder: number) => void) => Promise<void>;

const { oneAtATime } = (await import(new URL('one-setup.mjs', import.meta.url).href)) as { oneAtATime: OneAtATime };
/** No process has an id above 2^22. */
const noProcess = 2 ** 22 + 1;

let folder: string;
beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'headgate-setup-')), 'dist');
});
afterEach(() => rmSync(join(folder, '..'), { recursive: true }));

it('a setup waits until another one has ended, whether or not that one succeeds', async () => {
  const story: string[] = [];
  let end: (error: Error) => void = () => undefined;
  const first = oneAtATime(
    folder,
    () => {
      story.push('first');
      return new Promise((_, reject) => (end = reject));
    },
    () => story.push('first waits'),
  );
  const second = oneAtATime(
    folder,
    () => void story.push('second'),
    (holder) => story.push(`second waits for ${holder}`),
  );
  expect(story).toEqual(['first', `second waits for ${process.pid}`]);
  end(new Error('no compiler'));
  await expect(first).rejects.toThrow('no compiler');
  await second;
  expect(story).toEqual(['first', `second waits for ${process.pid}`, 'second']);
  expect(readdirSync(folder)).toEqual([]);
});

it.each([
  ['whose process is gone', `${noProcess} 1`],
  ['whose id another process has by now', `${process.ppid} 1`],
  ['whose id this process has, as in a container that starts again', `${process.pid} 1`],
  ['that left no name', ''],
])('a setup takes over from one that was killed and %s', async (_, holder) => {
  await oneAtATime(
    folder,
    () => writeFileSync(join(folder, 'made'), ''),
    () => expect.unreachable(),
  );
  writeFileSync(join(folder, '.setup'), holder);
  const work = (): void => expect(existsSync(join(folder, '.setup'))).toBe(true);
  await oneAtATime(folder, work, () => expect.unreachable());
  expect(readdirSync(folder)).toEqual(['made']);
});
