/**
 * The installation under a soak: one data folder and fixed ports, so that clients find it again after a process was
 * killed and restarted. One process with all roles, or separate gateways and controllers (`--apart`).
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isGone } from '../../infra/fleet/process-state.ts';
import { freePorts } from '../../infra/network/free-ports.ts';
import { type BrokerFacts, Instance, type TenantAccess } from '../../bin/demo/instance.ts';
import { ControllerProcess } from './controller-process.ts';
import { filesLeft, processesOf } from './left-over.ts';
import type { Recorder } from './recorder.ts';
import { Said } from './said.ts';

export const topic = 'soak';
export const group = 'soak';

const attemptsMax = 20;
const attemptPauseMs = 100;
const startWaitMsMax = 60_000;
const endWaitMsMax = 30_000;

export interface SiteOptions {
  /** The compiled bin/main.js. */
  readonly program: string;
  readonly brokers: number;
  readonly partitions: number;
  /** Separate gateways and controllers, so many of each; absent: one process with all roles. */
  readonly apart?: number;
}

/** Addresses of all gateways. */
export interface Places {
  readonly http: readonly string[];
  readonly kafka: readonly string[];
}

interface Placed {
  readonly partition: number;
  readonly broker: number | null;
  readonly topic: string;
}

export class Site {
  readonly #options: SiteOptions;
  readonly #recorder: Recorder;
  readonly #said: Said;
  readonly #flags: readonly (readonly string[])[];
  readonly data = mkdtempSync(join(tmpdir(), 'headgate-soak-'));
  readonly gateways: Instance[] = [];
  readonly controllers: ControllerProcess[] = [];
  /** Killed, and not started again yet; or known to have ended by itself. */
  readonly #down = new Set<Instance | ControllerProcess>();
  #clients = 0;
  #isStopped = false;
  access!: TenantAccess;
  /** The longest start of each kind of process. */
  readonly startsMs = new Map<string, number>();

  private constructor(options: SiteOptions, recorder: Recorder, flags: readonly (readonly string[])[]) {
    this.#options = options;
    this.#recorder = recorder;
    this.#said = new Said(recorder);
    this.#flags = flags;
  }

  static async start(options: SiteOptions, recorder: Recorder): Promise<Site> {
    const ports = await freePorts(3 * (options.apart ?? 1));
    const flags = Array.from({ length: options.apart ?? 1 }, (_, at) => [
      ...['kafka', 'http', 'admin'].flatMap((door, i) => [`--${door}-port`, String(ports[3 * at + i])]),
      ...(options.apart === undefined ? [] : ['--role', 'gateway']),
    ]);
    const site = new Site(options, recorder, flags);
    try {
      await site.startAll();
      site.access = await site.gateways[0]!.tenant('soak');
      await site.admin('POST', `/clusters/${site.access.clusterId}/topics`, {
        name: topic,
        partitions: options.partitions,
      });
    } catch (cause) {
      site.kill();
      site.#removeFolder();
      throw cause;
    }
    return site;
  }

  /** Starts what is not running. The first gateway creates what others find, so they start one after another. */
  async startAll(): Promise<void> {
    const controllers = Array.from({ length: this.#options.apart ?? 0 }, (_, at) => at);
    const working = controllers.map((at) => this.startController(at));
    working.forEach((each) => void each.catch(() => undefined));
    for (const at of this.#flags.keys()) await this.startGateway(at);
    await Promise.all(working);
  }

  async startGateway(at: number): Promise<void> {
    if (this.gateways[at]?.isRunning) return;
    const { program } = this.#options;
    const flags = [...this.#brokerFlags(), ...this.#flags[at]!];
    this.gateways[at] = await this.#timed('gateway', Instance.start({ program, flags, data: this.data }));
  }

  async startController(at: number): Promise<void> {
    if (this.controllers[at]?.runs) return;
    const controller = new ControllerProcess(this.#options.program, this.data, this.#brokerFlags());
    this.controllers[at] = controller;
    const isLate = sleep(startWaitMsMax, undefined, { ref: false }).then(() => {
      throw new Error(`a controller does not work:\n${controller.lines.join('\n')}`);
    });
    try {
      await this.#timed('controller', Promise.race([controller.works, isLate]));
    } catch (cause) {
      // Killed by another fault meanwhile.
      if (!this.#down.has(controller)) throw cause;
    }
  }

  #brokerFlags(): string[] {
    return ['--brokers', String(this.#options.brokers)];
  }

  async #timed<T>(what: string, start: Promise<T>): Promise<T> {
    const beginMs = performance.now();
    const started = await start;
    this.startsMs.set(what, Math.max(this.startsMs.get(what) ?? 0, Math.round(performance.now() - beginMs)));
    return started;
  }

  /** For one client: half of them try the second gateway first. */
  places(): Places {
    const { length } = this.gateways;
    const first = this.#clients++ % length;
    const turned = this.gateways.map((_, at) => this.gateways[(first + at) % length]!);
    return { http: turned.map(({ http }) => http), kafka: turned.map(({ kafka }) => kafka) };
  }

  /** Resolves when it has ended. */
  async killProcess(one: Instance | ControllerProcess): Promise<void> {
    this.readLog();
    this.#down.add(one);
    await (one instanceof Instance ? one.stop('SIGKILL') : one.end('SIGKILL'));
  }

  /** Other processes may kill it from here on, until the answer is called: true if none has. */
  mayBeKilled(one: Instance | ControllerProcess): () => Promise<boolean> {
    this.readLog();
    this.#down.add(one);
    return async () => {
      const { pid } = one instanceof Instance ? one : one.child;
      if (isGone(pid!)) {
        await this.killProcess(one);
        return false;
      }
      this.#down.delete(one);
      return true;
    };
  }

  async killGateway(at: number): Promise<void> {
    await this.killProcess(this.gateways[at]!);
    await this.startGateway(at);
  }

  admin<T>(method: string, path: string, body?: unknown): Promise<T> {
    const gateway = this.gateways.find(({ isRunning }) => isRunning) ?? this.gateways[0]!;
    return gateway.admin<T>(method, path, body);
  }

  brokers(): Promise<BrokerFacts[]> {
    return this.#again(async () => (await this.admin<{ items: BrokerFacts[] }>('GET', '/brokers')).items);
  }

  /** A server may close a kept connection while a request is in flight: a second attempt is answered. */
  async #again<T>(ask: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await ask();
      } catch (cause) {
        this.readLog();
        if (attempt === attemptsMax) throw cause;
        await sleep(attemptPauseMs);
      }
    }
  }

  /** Owner of each partition of the soak's topic. */
  async owners(): Promise<Map<number, number>> {
    const path = `/partitions?clusterId=${this.access.clusterId}&limit=1000`;
    const { items } = await this.#again(() => this.admin<{ items: Placed[] }>('GET', path));
    return new Map(
      items.filter((item) => item.topic === topic).map(({ partition, broker }) => [partition, broker ?? -1]),
    );
  }

  /** The last lines that the installation logged. */
  get log(): readonly string[] {
    return this.#said.lines;
  }

  /** Takes over what was logged since the last call. */
  readLog(): void {
    const names = this.#options.apart === undefined ? ['', ''] : ['gateway', 'controller'];
    for (const [at, gateway] of this.gateways.entries()) this.#read(gateway, gateway.errors, names[0]!, at);
    for (const [at, controller] of this.controllers.entries()) this.#read(controller, controller.lines, names[1]!, at);
    this.#said.takeFiles(join(this.data, 'logs'));
  }

  #read(one: Instance | ControllerProcess, lines: string[], name: string, at: number): void {
    if (!this.#down.has(one) && !(one instanceof Instance ? one.isRunning : one.runs)) {
      this.#down.add(one);
      const what = `the ${name === '' ? 'parent' : name} process ended by itself: ${lines.slice(-5).join(' | ')}`;
      this.#recorder.add({ kind: 'bug', what });
    }
    this.#said.take(lines, name === '' ? '' : `${name} ${at}: `);
  }

  /** Kills all at once, as when an operator stops a machine; reports what is there afterwards. */
  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.readLog();
    const ending = [...this.gateways, ...this.controllers].map((one) => {
      this.#down.add(one);
      return one instanceof Instance ? one.stop() : one.end('SIGTERM');
    });
    const isLate = sleep(endWaitMsMax, 'late', { ref: false });
    if ((await Promise.race([Promise.all(ending), isLate])) === 'late') {
      this.#recorder.add({ kind: 'stuck', what: `not everything ends in ${endWaitMsMax} ms` });
    }
    this.readLog();
    const left = [...processesOf(this.data).map(({ words }) => `process ${words}`), ...filesLeft(this.data)];
    for (const what of left) this.#recorder.add({ kind: 'bug', what: `left over: ${what}`.slice(0, 300) });
    this.kill();
  }

  /** Everything that is left of it. */
  kill(): void {
    for (const { pid } of processesOf(this.data)) process.kill(pid, 'SIGKILL');
  }

  /** Stops it and removes its folder. */
  async remove(): Promise<void> {
    await this.stop();
    this.#removeFolder();
  }

  #removeFolder(): void {
    rmSync(this.data, { recursive: true, force: true });
  }
}
