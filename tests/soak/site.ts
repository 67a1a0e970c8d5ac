/**
 * The installation under a soak: one data folder and fixed ports, so that clients find it again after its parent was
 * killed and started anew. What its processes say is looked through for bugs.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { freePorts } from '../../infra/network/free-ports.ts';
import { type BrokerFacts, Instance, type TenantAccess } from '../../bin/demo/instance.ts';
import type { Recorder } from './recorder.ts';

export const topic = 'soak';
export const group = 'soak';

/** Words of a broken invariant or a bug in a process's log; the ends of killed processes say nothing of the kind. */
const bugWords = /Assert|TypeError|RangeError|ReferenceError|data-corrupt|DataCorrupt|Unhandled|internal error/;
const logLinesMax = 4000;
const attemptsMax = 20;
const attemptPauseMs = 100;

interface Placed {
  readonly partition: number;
  readonly broker: number | null;
  readonly topic: string;
}

export class Site {
  readonly #program: string;
  readonly #flags: readonly string[];
  readonly #recorder: Recorder;
  readonly log: string[] = [];
  instance: Instance;
  access!: TenantAccess;
  #isDown = false;

  private constructor(program: string, flags: readonly string[], recorder: Recorder, instance: Instance) {
    this.#program = program;
    this.#flags = flags;
    this.#recorder = recorder;
    this.instance = instance;
  }

  static async start(program: string, brokers: number, partitions: number, recorder: Recorder): Promise<Site> {
    const ports = await freePorts(3);
    const flags = ['--brokers', String(brokers)];
    for (const [i, door] of ['kafka', 'http', 'admin'].entries()) flags.push(`--${door}-port`, String(ports[i]));
    const site = new Site(program, flags, recorder, await Instance.start({ program, flags }));
    site.access = await site.instance.tenant('soak');
    await site.instance.admin('POST', `/clusters/${site.access.clusterId}/topics`, { name: topic, partitions });
    return site;
  }

  get http(): string {
    return this.instance.http;
  }

  get isDown(): boolean {
    return this.#isDown;
  }

  async killParent(): Promise<void> {
    this.#isDown = true;
    this.readLog();
    await this.instance.stop('SIGKILL');
    const { data } = this.instance;
    this.instance = await Instance.start({ program: this.#program, flags: this.#flags, data });
    this.#isDown = false;
  }

  brokers(): Promise<BrokerFacts[]> {
    return this.#again(() => this.instance.brokers());
  }

  /** A kept connection may be closed by its server while a request is on its way: asked once more it is answered. */
  async #again<T>(ask: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await ask();
      } catch (cause) {
        this.readLog();
        if (attempt === attemptsMax || this.#isDown) throw cause;
        await sleep(attemptPauseMs);
      }
    }
  }

  /** Owner of each partition of the soak's topic. */
  async owners(): Promise<Map<number, number>> {
    const path = `/partitions?clusterId=${this.access.clusterId}&limit=1000`;
    const { items } = await this.#again(() => this.instance.admin<{ items: Placed[] }>('GET', path));
    return new Map(
      items.filter((item) => item.topic === topic).map(({ partition, broker }) => [partition, broker ?? -1]),
    );
  }

  /** Takes over what was logged since the last call. */
  readLog(): void {
    if (!this.#isDown && !this.instance.isRunning) {
      this.#isDown = true;
      const last = this.instance.errors.slice(-5).join(' | ');
      this.#recorder.add({ kind: 'bug', what: `the parent process ended by itself: ${last}` });
    }
    const lines = this.instance.errors.splice(0);
    for (const line of lines) {
      if (bugWords.test(line)) this.#recorder.add({ kind: 'bug', what: line.slice(0, 300) });
    }
    this.log.push(...lines);
    this.log.splice(0, Math.max(0, this.log.length - logLinesMax));
  }
}
