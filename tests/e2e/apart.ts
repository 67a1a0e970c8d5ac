/** An installation whose gateway and controllers are processes of their own, each of which can be killed. */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Instance } from '../../bin/demo/instance.ts';
import { compiledPrograms } from '../../bin/compiled-programs.ts';
import { systemClock } from '../../engine/kernel/clock.ts';
import { killAll } from '../../infra/fleet/end-stopped.ts';
import { notedBrokers } from '../../infra/fleet/noted-brokers.ts';
import { program, startInstallation } from '../installation.ts';
import { ControllerProcess } from '../soak/controller-process.ts';
import { createTopic, demoAccess, httpSender, readAll } from './doors.ts';

/** Against hanging, on a busy machine; nothing here is about speed. */
const untilMsMax = 60_000;
/** Of `fill`. */
const topic = 'kept';

export interface EngineShown {
  readonly controllers: readonly {
    readonly controllerId: string;
    readonly alive: boolean;
    readonly shards: number;
    readonly keepsFleet: boolean;
  }[];
  readonly brokers: readonly { readonly brokerId: number; readonly state: string; readonly pid: number }[];
}

export class Apart {
  readonly data: string;
  readonly controllers: ControllerProcess[] = [];
  gateway!: Instance;

  private constructor() {
    this.data = mkdtempSync(join(tmpdir(), 'headgate-apart-'));
  }

  static async start(controllers: number): Promise<Apart> {
    const apart = new Apart();
    const starting = Array.from({ length: controllers }, () => apart.controller().works);
    apart.gateway = await startInstallation(['--role', 'gateway'], apart.data);
    await Promise.all(starting);
    return apart;
  }

  /** `entrance`: words before the program's own. */
  controller(flags: readonly string[] = [], entrance: readonly string[] = []): ControllerProcess {
    const controller = new ControllerProcess(program, this.data, ['--lease-ms', '1500', ...flags], entrance);
    this.controllers.push(controller);
    return controller;
  }

  engine(): Promise<EngineShown> {
    return this.gateway.admin<EngineShown>('GET', '/engine');
  }

  /** The process of a controller by the id under which it works. */
  async processOf(controllerId: string): Promise<ControllerProcess> {
    for (const controller of this.controllers) {
      if ((await controller.works.catch(() => '')) === controllerId) return controller;
    }
    throw new Error(`no process is controller ${controllerId}`);
  }

  /** Who keeps the fleet. One that has ended is shown as alive until its lease has lapsed and the gateway has looked again. */
  async keeper(): Promise<ControllerProcess> {
    const ended = new Set(
      await Promise.all(this.controllers.filter(({ runs }) => !runs).map(({ works }) => works.catch(() => ''))),
    );
    const isKeeper = ({ controllerId, alive, keepsFleet }: EngineShown['controllers'][number]): boolean =>
      alive && keepsFleet && !ended.has(controllerId);
    const { controllers } = await this.until('somebody keeps the fleet', (engine) => engine.controllers.some(isKeeper));
    return this.processOf(controllers.find(isKeeper)!.controllerId);
  }

  /** Asks until `holds`; throws with all that is known when it takes too long. */
  async until(what: string, holds: (engine: EngineShown) => boolean): Promise<EngineShown> {
    const deadline = Date.now() + untilMsMax;
    for (;;) {
      const engine = await this.engine();
      if (holds(engine)) return engine;
      if (Date.now() < deadline) continue;
      const { controllers, brokers } = engine;
      const told = this.controllers.map(({ lines }) => lines.slice(-40).join('\n')).join('\n---\n');
      throw new Error(`${what}: not yet: ${JSON.stringify({ controllers, brokers })}\n${told}`);
    }
  }

  /** Waits until all brokers serve: their processes. */
  async brokerPids(): Promise<number[]> {
    const { brokers } = await this.until('all serve', (engine) =>
      engine.brokers.every(({ state }) => state === 'serving'),
    );
    return brokers.map(({ pid }) => pid);
  }

  /** Twenty records of a new topic. */
  async fill(): Promise<string[]> {
    const access = demoAccess(this.gateway);
    await createTopic(this.gateway, access, topic, 6);
    const send = httpSender(this.gateway, access, topic);
    const values = Array.from({ length: 20 }, (_, number) => `value ${number}`);
    for (const value of values) await expect.poll(() => send(value, value)).toBe(true);
    return values.sort();
  }

  /** What `fill` has written and is there, sorted alike. */
  async filled(): Promise<string[]> {
    const records = await readAll(this.gateway, demoAccess(this.gateway), topic);
    return records.map(({ value }) => value).sort();
  }

  /** Whatever is left of it, brokers too. Nobody is asked for it, who may be stopped where a test has failed. */
  async remove(): Promise<void> {
    for (const { child } of this.controllers) child.kill('SIGKILL');
    await this.gateway.stop('SIGKILL');
    const data = realpathSync(this.data);
    const brokers = notedBrokers({ data, notes: join(data, 'run') }, compiledPrograms.detachedBroker);
    await killAll(brokers, systemClock);
    rmSync(this.data, { recursive: true, force: true });
  }
}
