/** A whole installation whose brokers have disks with faults, and what its tests ask of it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BrokerFacts, Instance } from '../../bin/demo/instance.ts';
import { type DiskRule, faultsFolderVariable, setRule } from './rule.ts';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const program = join(root, 'dist', 'tests', 'faults', 'main.js');
const waitMsMax = 30_000;
const pollMs = 20;

export class FaultyInstallation {
  /** Of the rule and the journals. */
  readonly folder: string;
  instance: Instance;

  private constructor(folder: string, instance: Instance) {
    this.folder = folder;
    this.instance = instance;
  }

  /** `flags`: further ones of `headgate serve`. */
  static async start(flags: readonly string[] = []): Promise<FaultyInstallation> {
    const folder = mkdtempSync(join(tmpdir(), 'headgate-faults-'));
    return new FaultyInstallation(folder, await launch(folder, flags));
  }

  /** SIGKILL of all its processes; resolves when none is left. `before`: in the moment of the kill. */
  async kill(before: () => void): Promise<void> {
    const pids = (await this.instance.brokers()).map(({ pid }) => pid).filter((pid) => pid > 0);
    before();
    await this.instance.stop('SIGKILL');
    await until('the brokers are gone', () => pids.every(isGone));
  }

  /** On the same data. */
  async startAgain(): Promise<void> {
    this.instance = await launch(this.folder, [], this.instance.data);
  }

  async remove(): Promise<void> {
    setRule(this.folder, undefined);
    const { data } = this.instance;
    await this.instance.stop('SIGKILL');
    for (const folder of [this.folder, data]) rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
  }

  rule(rule: DiskRule | undefined): void {
    setRule(this.folder, rule);
  }

  /** The broker that owns partition 0 of the topic. */
  async ownerOf(topic: string): Promise<BrokerFacts> {
    const { items } = await this.instance.admin<{ items: { topic: string; partition: number; broker: number }[] }>(
      'GET',
      '/partitions?limit=1000',
    );
    const placed = items.find((item) => item.topic === topic && item.partition === 0);
    const owner = (await this.instance.brokers()).find(({ brokerId }) => brokerId === placed?.broker);
    if (!owner) throw new Error(`${topic} has no owner`);
    return owner;
  }

  async allServe(): Promise<void> {
    await until('all brokers serve', async () =>
      (await this.instance.brokers()).every(({ state }) => state === 'serving'),
    );
  }
}

function launch(folder: string, flags: readonly string[], data?: string): Promise<Instance> {
  process.env[faultsFolderVariable] = folder;
  return Instance.start({ program, flags, ...(data === undefined ? {} : { data }) });
}

function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch {
    return true;
  }
}

export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = Date.now() + waitMsMax;
  while (!(await holds())) {
    if (Date.now() > deadlineMs) throw new Error(`not in ${waitMsMax} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}
