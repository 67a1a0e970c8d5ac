/** Carries out a drawn fault. A rank is resolved among the brokers that serve at that moment. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { BrokerFacts } from '../../bin/demo/instance.ts';
import { ApartFaults } from './apart-faults.ts';
import type { Downtime } from './downtime.ts';
import type { Fault, FaultKind } from './fault-plan.ts';
import type { Recorder } from './recorder.ts';
import { signal } from './signal.ts';
import type { Site } from './site.ts';

const replacementWaitMsMax = 3000;
const pollMs = 10;

export class Injector {
  readonly #site: Site;
  readonly #recorder: Recorder;
  readonly #downtime: Downtime;
  readonly #partitions: readonly number[];
  /** A planned operation, or a hung broker's resumption: runs in the background of the next faults. */
  readonly #background = new Set<Promise<void>>();
  #isPlanning = false;
  readonly counts = new Map<FaultKind, number>();
  readonly #apart: ApartFaults;
  processesKilled = 0;

  constructor(
    site: Site,
    recorder: Recorder,
    downtime: Downtime,
    partitions: readonly number[],
    writable: () => Promise<void>,
  ) {
    this.#site = site;
    this.#recorder = recorder;
    this.#downtime = downtime;
    this.#partitions = partitions;
    this.#apart = new ApartFaults({
      site,
      recorder,
      downtime,
      partitions,
      serving: () => this.#serving(),
      ownedBy: (brokers) => this.#ownedBy(brokers),
      killed: (processes) => (this.processesKilled += processes),
      beside: (work) => this.#beside(work),
      writable: async () => {
        await this.settle();
        await writable();
      },
    });
  }

  async inject(fault: Fault): Promise<void> {
    this.counts.set(fault.kind, (this.counts.get(fault.kind) ?? 0) + 1);
    switch (fault.kind) {
      case 'kill-broker':
        return this.#kill(fault.kind, [fault.rank]);
      case 'kill-two':
        return this.#kill(fault.kind, [fault.rank, fault.otherRank]);
      case 'kill-zone':
        return this.#killZone(fault.rank);
      case 'kill-in-recovery':
        await this.#kill(fault.kind, [fault.rank]);
        await sleep(fault.afterMs);
        return this.#kill(fault.kind, [fault.otherRank]);
      case 'kill-replacement':
        return this.#killReplacement(fault.rank);
      case 'hang-broker':
        return this.#hang(fault.rank, fault.forMs);
      case 'kill-parent':
        return this.#killParent();
      case 'hang-parent':
        return this.#hangParent(fault.forMs);
      case 'restart':
      case 'drain':
        return this.#plan(fault);
      default:
        return this.#apart.inject(fault);
    }
  }

  /** Waits for background work, and cancels every drain, even of a broker that is dead and returns drained. */
  async settle(): Promise<void> {
    await Promise.all(this.#background);
    for (const { brokerId, wish } of await this.#site.brokers()) {
      if (wish === 'drain') await this.#site.admin('POST', `/brokers/${brokerId}/undrain`);
    }
  }

  async #serving(): Promise<BrokerFacts[]> {
    return (await this.#site.brokers()).filter(
      ({ state, pid }) => (state === 'serving' || state === 'draining') && pid > 0,
    );
  }

  async #kill(kind: FaultKind, ranks: readonly number[]): Promise<void> {
    const serving = await this.#serving();
    const victims = new Set(ranks.map((rank) => serving[rank % serving.length]).filter((one) => one !== undefined));
    await this.#killAll(kind, [...victims]);
  }

  async #killZone(rank: number): Promise<void> {
    const serving = await this.#serving();
    if (serving.length === 0) return;
    const { zone } = serving[rank % serving.length]!;
    await this.#killAll(
      'kill-zone',
      serving.filter((broker) => broker.zone === zone),
    );
  }

  async #killReplacement(rank: number): Promise<void> {
    const serving = await this.#serving();
    if (serving.length === 0) return;
    const victim = serving[rank % serving.length]!;
    await this.#killAll('kill-replacement', [victim]);
    const deadlineMs = performance.now() + replacementWaitMsMax;
    while (performance.now() < deadlineMs) {
      const next = (await this.#serving()).find(({ brokerId }) => brokerId === victim.brokerId);
      if (next && next.pid !== victim.pid) return this.#killAll('kill-replacement', [next]);
      await sleep(pollMs);
    }
  }

  async #killAll(kind: FaultKind, victims: readonly BrokerFacts[]): Promise<void> {
    if (victims.length === 0) return;
    const hit = await this.#ownedBy(victims);
    const names = victims.map(({ brokerId, zone }) => `${brokerId} (${zone})`).join(', ');
    this.#recorder.add({ kind: 'fault', what: `${kind}: ${names}, partitions ${hit.join(' ')}` });
    this.#downtime.hit(kind, performance.now(), hit);
    for (const { pid } of victims) if (signal(pid, 'SIGKILL')) this.processesKilled++;
  }

  async #ownedBy(brokers: readonly BrokerFacts[]): Promise<number[]> {
    const ids = new Set(brokers.map(({ brokerId }) => brokerId));
    return [...(await this.#site.owners())].filter(([, owner]) => ids.has(owner)).map(([partition]) => partition);
  }

  async #hang(rank: number, forMs: number): Promise<void> {
    const serving = await this.#serving();
    if (serving.length === 0) return;
    const victim = serving[rank % serving.length]!;
    const hit = await this.#ownedBy([victim]);
    this.#recorder.add({
      kind: 'fault',
      what: `hang-broker: ${victim.brokerId} for ${forMs} ms, partitions ${hit.join(' ')}`,
    });
    this.#downtime.hit('hang-broker', performance.now(), hit);
    signal(victim.pid, 'SIGSTOP');
    this.#beside(
      sleep(forMs).then(() => {
        signal(victim.pid, 'SIGCONT');
      }),
    );
  }

  async #killParent(): Promise<void> {
    this.#recorder.add({ kind: 'fault', what: 'kill-parent' });
    this.#downtime.hit('kill-parent', performance.now(), this.#partitions);
    this.processesKilled++;
    await this.#site.killGateway(0);
  }

  async #hangParent(forMs: number): Promise<void> {
    const { pid } = this.#site.gateways[0]!;
    this.#recorder.add({ kind: 'fault', what: `hang-parent: ${forMs} ms` });
    const fromMs = performance.now();
    this.#downtime.hit('hang-parent', fromMs, this.#partitions);
    signal(pid, 'SIGSTOP');
    await sleep(forMs);
    signal(pid, 'SIGCONT');
    this.#downtime.gatewayStopped(fromMs, performance.now(), this.#partitions);
  }

  /** One at a time: an operator's request takes as long as it takes, and may fail when brokers die during it. */
  async #plan(fault: Fault & { kind: 'restart' | 'drain' }): Promise<void> {
    if (this.#isPlanning) return;
    const serving = await this.#serving();
    if (serving.length === 0) return;
    const victim = serving[fault.rank % serving.length]!;
    const hit = await this.#ownedBy([victim]);
    this.#recorder.add({ kind: 'fault', what: `${fault.kind}: ${victim.brokerId}, partitions ${hit.join(' ')}` });
    this.#downtime.hit(fault.kind, performance.now(), hit);
    this.#isPlanning = true;
    const ask = (what: string): Promise<unknown> => this.#site.admin('POST', `/brokers/${victim.brokerId}/${what}`);
    const act = async (): Promise<void> => {
      if (fault.kind === 'restart') await ask('restart');
      else {
        await ask('drain');
        await sleep(fault.forMs);
        await ask('undrain');
      }
    };
    this.#beside(
      act()
        .catch((cause: unknown) => this.#recorder.add({ kind: 'fault', what: `${fault.kind} ended: ${String(cause)}` }))
        .finally(() => (this.#isPlanning = false)),
    );
  }

  #beside(work: Promise<void>): void {
    const kept = work
      .catch((cause: unknown) => this.#recorder.add({ kind: 'stuck', what: String(cause) }))
      .finally(() => this.#background.delete(kept));
    this.#background.add(kept);
  }
}
