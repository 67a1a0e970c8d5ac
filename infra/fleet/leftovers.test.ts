import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../engine/kernel/clock.ts';
import { type BrokerHome, brokerMark, endLeftovers } from './leftovers.ts';
import { forgetProcess, noteProcess } from './notes.ts';
import { isGone, originNow } from './process-state.ts';

const waitMsMax = 20_000;
let home: BrokerHome;
let parent: ChildProcess | undefined;
let broker = 0;

beforeEach(() => {
  const folder = mkdtempSync(join(tmpdir(), 'leftovers-'));
  home = { data: folder, notes: folder };
});
afterEach(() => {
  parent?.kill('SIGKILL');
  if (broker > 0 && !isGone(broker)) process.kill(broker, 'SIGKILL');
  parent = undefined;
  broker = 0;
  rmSync(home.data, { recursive: true });
});

/** A parent with one child, which overwrites its command line and would end with its parent's channel. */
async function startParent(data: string, isMarked = true): Promise<void> {
  const [markName = ''] = Object.keys(brokerMark(home));
  const child = join(home.data, 'child.mjs');
  writeFileSync(
    child,
    `process.once('disconnect', () => process.exit()); process.title = 'headgate broker 1'; process.send('up');`,
  );
  const program = join(home.data, 'parent.mjs');
  writeFileSync(
    program,
    `import { spawn } from 'node:child_process';
const mark = ${isMarked} ? { ['${markName}']: process.pid + ' ${data}' } : {};
const child = spawn(process.execPath, ['${child}'], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'], env: { ...process.env, ...mark } });
child.once('message', () => console.log(child.pid));`,
  );
  parent = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [text] = (await once(parent.stdout!, 'data')) as [Buffer];
  broker = Number(text.toString());
  noteProcess(home.notes, 'process', broker);
}

/** SIGKILL of the parent while its child is stopped, until the child is another's. */
async function orphan(): Promise<void> {
  process.kill(broker, 'SIGSTOP');
  const exited = once(parent!, 'exit');
  parent!.kill('SIGKILL');
  await exited;
  const deadlineMs = performance.now() + waitMsMax;
  while (originNow(broker)?.parent === parent!.pid && performance.now() < deadlineMs) await new Promise(setImmediate);
}

const notes = (): string[] => readdirSync(home.notes).filter((name) => name.startsWith('process-'));

it('tolerates a disk on which no note can be written or removed', () => {
  const file = join(home.data, 'no-folder');
  writeFileSync(file, '');
  noteProcess(file, 'process', 1);
  forgetProcess(file, 'process', 1);
  expect(notes()).toEqual([]);
});

describe.skipIf(!existsSync('/proc/self/environ'))('endLeftovers', () => {
  it('kills a stopped broker whose parent is dead, and resolves when it is gone', async () => {
    await startParent(home.data);
    await orphan();
    expect(isGone(broker)).toBe(false);
    expect(await endLeftovers(home, systemClock)).toEqual([broker]);
    expect(isGone(broker)).toBe(true);
    expect(await endLeftovers(home, systemClock)).toEqual([]);
    expect(notes()).toEqual([]);
  });

  it('leaves a broker alone whose parent lives', async () => {
    await startParent(home.data);
    process.kill(broker, 'SIGSTOP');
    expect(await endLeftovers(home, systemClock)).toEqual([]);
    expect(isGone(broker)).toBe(false);
    expect(notes()).toEqual([`process-${broker}`]);
  });

  it('leaves a child of this process alone', async () => {
    const env = { ...process.env, ...brokerMark(home) };
    const child = spawn(process.execPath, ['-e', 'setInterval(() => 0, 1000)'], { stdio: 'ignore', env });
    broker = child.pid!;
    noteProcess(home.notes, 'process', broker);
    expect(await endLeftovers(home, systemClock)).toEqual([]);
    expect(isGone(broker)).toBe(false);
    forgetProcess(home.notes, 'process', broker);
    expect(notes()).toEqual([]);
  });

  it.each([
    ['of another folder', () => `${home.data}-other`, true],
    ['of a folder whose name begins with this one', () => `${home.data} other`, true],
    ['without a mark, which was given an old id', () => home.data, false],
  ])('leaves alone an orphan %s', async (_, data, isMarked) => {
    await startParent(data(), isMarked);
    await orphan();
    expect(await endLeftovers(home, systemClock)).toEqual([]);
    expect(isGone(broker)).toBe(false);
    expect(notes()).toEqual([]);
  });

  it('finds nothing if nothing was noted', async () => {
    expect(await endLeftovers({ ...home, notes: join(home.data, 'none') }, systemClock)).toEqual([]);
  });
});
