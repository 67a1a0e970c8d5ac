/** Faults of gateways and controllers that are separate processes, and of everything at once. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { BrokerFacts } from '../../bin/demo/instance.ts';
import type { Downtime } from './downtime.ts';
import type { ApartFault } from './fault-plan.ts';
import type { Recorder } from './recorder.ts';
import type { Site } from './site.ts';
import { signal } from './signal.ts';
import { stopInCommit } from './stop-in-commit.ts';

const commitWaitMsMax = 5000;
/** Within this time a resumed process is gone if a kill was pending. */
const lateKillMs = 200;

/** The parts of the injector that it needs. */
export interface ApartParts {
  readonly site: Site;
  readonly recorder: Recorder;
  readonly downtime: Downtime;
  readonly partitions: readonly number[];
  readonly serving: () => Promise<BrokerFacts[]>;
  readonly ownedBy: (brokers: readonly BrokerFacts[]) => Promise<number[]>;
  readonly killed: (processes: number) => void;
  readonly beside: (work: Promise<void>) => void;
  /**
   * Resolves when no background work is left, all brokers serve and every partition accepts a write; or reports that
   * the installation is stuck.
   */
  readonly writable: () => Promise<void>;
}

export class ApartFaults {
  readonly #parts: ApartParts;
  /** Controllers, by place. */
  readonly #stopped = new Set<number>();

  constructor(parts: ApartParts) {
    this.#parts = parts;
  }

  async inject(fault: ApartFault): Promise<void> {
    const { site, recorder, downtime, partitions, killed } = this.#parts;
    switch (fault.kind) {
      case 'kill-gateway':
        return this.#killGateway(fault.rank);
      case 'hang-gateway':
        return this.#hangGateway(fault);
      case 'kill-controller':
        return this.#killController(fault.rank, fault.forMs);
      case 'hang-controller':
        return this.#hangController(fault);
      case 'no-controller':
        return this.#noController(fault);
      case 'hang-in-commit':
        return this.#hangInCommit(fault);
      case 'kill-all':
      case 'kill-all-but-brokers': {
        const brokers = fault.kind === 'kill-all' ? await this.#parts.serving() : [];
        recorder.add({ kind: 'fault', what: fault.kind });
        downtime.hit(fault.kind, performance.now(), partitions);
        const running = [...site.gateways, ...site.controllers.filter(({ runs }) => runs)];
        const ending = running.map((one) => site.killProcess(one));
        killed(running.length + brokers.filter(({ pid }) => signal(pid, 'SIGKILL')).length);
        await Promise.all(ending);
        return site.startAll();
      }
    }
  }

  async #killGateway(rank: number): Promise<void> {
    const { site, recorder, downtime, killed } = this.#parts;
    const at = rank % site.gateways.length;
    const hit = downtime.probedAt(site.gateways[at]!.http);
    recorder.add({ kind: 'fault', what: `kill-gateway: ${at}, asked for partitions ${hit.join(' ')}` });
    downtime.hit('kill-gateway', performance.now(), hit);
    killed(1);
    await site.killGateway(at);
  }

  async #hangGateway({ rank, forMs, inCommit }: ApartFault & { kind: 'hang-gateway' }): Promise<void> {
    const { site, recorder, downtime } = this.#parts;
    const at = rank % site.gateways.length;
    const gateway = site.gateways[at]!;
    const hit = downtime.probedAt(gateway.http);
    const hasSurvived = site.mayBeKilled(gateway);
    await this.#stop([gateway.pid], inCommit);
    const fromMs = performance.now();
    const when = inCommit ? ' in a commit' : '';
    recorder.add({ kind: 'fault', what: `hang-gateway: ${at}${when} for ${forMs} ms, asked for ${hit.join(' ')}` });
    downtime.hit('hang-gateway', fromMs, hit);
    await sleep(forMs);
    signal(gateway.pid, 'SIGCONT');
    if (!(await this.#survives(hasSurvived))) await site.startGateway(at);
    downtime.gatewayStopped(fromMs, performance.now(), hit);
  }

  async #killController(rank: number, forMs: number): Promise<void> {
    const { site, recorder, downtime, killed, beside } = this.#parts;
    const running = [...site.controllers.keys()].filter((at) => site.controllers[at]!.runs);
    if (running.length === 0) return;
    const at = running[rank % running.length]!;
    recorder.add({ kind: 'fault', what: `kill-controller: ${at} for ${forMs} ms` });
    downtime.hit('kill-controller', performance.now(), []);
    killed(1);
    await site.killProcess(site.controllers[at]!);
    beside(sleep(forMs).then(() => site.startController(at)));
  }

  async #hangController({ rank, forMs, inCommit }: ApartFault & { kind: 'hang-controller' }): Promise<void> {
    const { site, recorder, downtime, beside } = this.#parts;
    const running = [...site.controllers.keys()].filter((at) => site.controllers[at]!.runs && !this.#stopped.has(at));
    if (running.length === 0) return;
    const at = running[rank % running.length]!;
    const pid = site.controllers[at]!.child.pid!;
    const when = inCommit ? ' in a commit' : '';
    recorder.add({ kind: 'fault', what: `hang-controller: ${at}${when} for ${forMs} ms` });
    downtime.hit('hang-controller', performance.now(), []);
    const hasSurvived = site.mayBeKilled(site.controllers[at]!);
    await this.#stop([pid], inCommit);
    this.#stopped.add(at);
    const goesOn = async (): Promise<void> => {
      await sleep(forMs);
      signal(pid, 'SIGCONT');
      if (!(await this.#survives(hasSurvived))) await site.startController(at);
      this.#stopped.delete(at);
    };
    beside(goesOn());
  }

  /** The records of a quiet installation need no controller, and neither does a gateway that starts. */
  async #noController({ rank, forMs, thenKill }: ApartFault & { kind: 'no-controller' }): Promise<void> {
    const { site, recorder, downtime, killed, writable } = this.#parts;
    await writable();
    recorder.add({ kind: 'fault', what: `no-controller for ${forMs} ms, then a ${thenKill} dies` });
    downtime.hit('no-controller', performance.now(), []);
    killed(site.controllers.length);
    await Promise.all(site.controllers.map((controller) => site.killProcess(controller)));
    await sleep(forMs);
    await writable();
    if (thenKill === 'gateway') {
      await this.#killGateway(rank);
      await writable();
    } else {
      const serving = await this.#parts.serving();
      const victims = serving.length === 0 ? [] : [serving[rank % serving.length]!];
      downtime.hit('no-controller', performance.now(), await this.#parts.ownedBy(victims));
      for (const { pid } of victims) if (signal(pid, 'SIGKILL')) killed(1);
    }
    await site.startAll();
  }

  async #hangInCommit({ rank, who, forMs }: ApartFault & { kind: 'hang-in-commit' }): Promise<void> {
    const { recorder, downtime, beside, serving, ownedBy } = this.#parts;
    const all = await serving();
    if (all.length === 0) return;
    const turned = all.map((_, at) => all[(rank + at) % all.length]!);
    const [first] = turned;
    const victims = {
      one: turned.slice(0, 1),
      two: turned.slice(0, 2),
      zone: turned.filter(({ zone }) => zone === first!.zone),
      all: turned,
    }[who];
    const hit = await ownedBy(victims);
    const names = victims.map(({ brokerId }) => brokerId).join(' ');
    recorder.add({ kind: 'fault', what: `hang-in-commit: ${names} for ${forMs} ms, partitions ${hit.join(' ')}` });
    downtime.hit('hang-in-commit', performance.now(), hit);
    await this.#stop(
      victims.map(({ pid }) => pid),
      true,
    );
    const goOn = (): void => victims.forEach(({ pid }) => void signal(pid, 'SIGCONT'));
    beside(sleep(forMs).then(goOn));
  }

  /**
   * The others kill a process that was stopped while it held the lock of the metadata store, perhaps just as it
   * resumes.
   */
  async #survives(hasSurvived: () => Promise<boolean>): Promise<boolean> {
    await sleep(lateKillMs);
    if (await hasSurvived()) return true;
    this.#parts.recorder.add({
      kind: 'fault',
      what: 'killed by the others: it was stopped with the lock of the store',
    });
    this.#parts.killed(1);
    return false;
  }

  /** If nobody commits, or one of them has ended meanwhile, at once. */
  async #stop(pids: readonly number[], inCommit: boolean): Promise<void> {
    const stopping = inCommit
      ? stopInCommit(this.#parts.site.data, pids, commitWaitMsMax)
      : Promise.reject(new Error());
    await stopping.catch(() => pids.forEach((pid) => void signal(pid, 'SIGSTOP')));
  }
}
