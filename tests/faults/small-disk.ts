/**
 * A file system that is really small: a tmpfs in a mount namespace of its own, which needs no root where the system lets
 * its users have namespaces. A child holds it; programs are started inside, and this process looks in through /proc.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmdirSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const mountWaitMsMax = 10_000;
const chunkBytes = 64 * 1024;

export class SmallDisk {
  readonly #holder: ChildProcess;
  /** Where programs inside find it; outside an empty folder. */
  readonly inside: string;
  /** The same place, from here. */
  readonly outside: string;

  private constructor(holder: ChildProcess, folder: string) {
    this.#holder = holder;
    this.inside = folder;
    this.outside = `/proc/${holder.pid}/root${folder}`;
  }

  /** Resolves with the reason where there can be none. */
  static async mount(bytes: number): Promise<SmallDisk | string> {
    const folder = mkdtempSync(join(tmpdir(), 'headgate-small-'));
    const script = 'mount -t tmpfs -o "size=$1,mode=700" tmpfs "$2" && echo mounted && exec cat';
    const args = ['--user', '--map-root-user', '--mount', 'sh', '-c', script, 'sh', `${bytes}`, folder];
    const holder = spawn('unshare', args, { stdio: ['pipe', 'pipe', 'pipe'] });
    const said: string[] = [];
    createInterface({ input: holder.stderr }).on('line', (line) => said.push(line));
    const deadline = setTimeout(() => holder.kill('SIGKILL'), mountWaitMsMax);
    const isMounted = await new Promise<boolean>((resolve) => {
      holder.stdout.once('data', () => resolve(true));
      holder.once('close', () => resolve(false));
      holder.once('error', ({ message }) => {
        said.push(message);
        resolve(false);
      });
    });
    clearTimeout(deadline);
    if (isMounted) return new SmallDisk(holder, folder);
    rmdirSync(folder);
    return said.join('; ') || `no answer within ${mountWaitMsMax} ms`;
  }

  /** Before a program's own words, to start it inside. */
  get entrance(): readonly string[] {
    return ['nsenter', '--target', `${this.#holder.pid}`, '--user', '--mount', '--preserve-credentials', '--'];
  }

  freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.outside);
    return bavail * bsize;
  }

  /** A file that leaves this many bytes free: 0 for none. */
  fill(name: string, leaveBytes: number): void {
    const folder = join(this.outside, 'fillers');
    mkdirSync(folder, { recursive: true });
    const fd = openSync(join(folder, name), 'a');
    try {
      for (let free = this.freeBytes(); free > leaveBytes; free = this.freeBytes()) {
        writeSync(fd, Buffer.alloc(Math.min(chunkBytes, free - leaveBytes), 1));
      }
    } catch (error) {
      // Somebody else took the rest.
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    } finally {
      closeSync(fd);
    }
  }

  makeRoom(): void {
    rmSync(join(this.outside, 'fillers'), { recursive: true, force: true });
  }

  /** Whatever still runs inside keeps it. */
  async remove(): Promise<void> {
    const ended = once(this.#holder, 'close');
    this.#holder.kill('SIGKILL');
    await ended;
    rmdirSync(this.inside);
  }
}
