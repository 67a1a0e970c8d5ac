/** A server that is the first process of a container: the system keeps from it every signal that it does not listen for. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, vi } from 'vitest';
import { program } from '../installation.ts';

vi.setConfig({ testTimeout: 120_000 });

const dist = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'dist');
const entrance = ['unshare', '--user', '--map-root-user', '--pid', '--fork', '--mount-proc', '--kill-child'];
const canUnshare = spawnSync(entrance[0]!, [...entrance.slice(1), 'true']).status === 0;

describe.runIf(canUnshare)('the first process', () => {
  it('ends at once when it has to, although it takes no signal from itself', () => {
    const script = `
      import { endAtOnce } from '${join(dist, 'bin/broker/end-at-once.js')}';
      process.on('exit', () => console.log('an orderly end'));
      setTimeout(endAtOnce);
      setInterval(() => undefined, 1000);`;
    const [command, ...words] = [...entrance, process.execPath, '--input-type=module', '-e', script];
    const ended = spawnSync(command!, words, { encoding: 'utf8', timeout: 60_000 });
    expect(ended.error).toBeUndefined();
    expect(ended).toMatchObject({ stdout: '', stderr: '' });
    expect(ended.signal ?? ended.status).not.toBe(0);
  });

  it('can be stopped while its start does not succeed', async () => {
    const data = mkdtempSync(join(tmpdir(), 'headgate-first-'));
    // No broker can have its volume there.
    symlinkSync(join(data, 'nowhere', 'volumes'), join(data, 'volumes'));
    const ports = ['--kafka-port', '0', '--http-port', '0', '--admin-port', '0'];
    const [command, ...words] = [...entrance, process.execPath, program, 'serve', '--data', data, ...ports];
    const outer = spawn(command!, words, { stdio: ['ignore', 'ignore', 'pipe'] });
    const ended = once(outer, 'exit');
    try {
      const lines = createInterface({ input: outer.stderr });
      await new Promise<void>((resolve) => lines.on('line', (line) => line.includes('ENOENT') && resolve()));
      const first = readFileSync(`/proc/${outer.pid}/task/${outer.pid}/children`, 'utf8').trim();
      process.kill(Number(first), 'SIGTERM');
      await ended;
    } finally {
      outer.kill('SIGKILL');
      rmSync(data, { recursive: true, force: true });
    }
  });
});
