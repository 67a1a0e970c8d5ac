/**
 * Random histories against a plain array: appends, roll-ups, deletions, moves, clean restarts, power losses (also in the
 * middle of a roll-up or a recovery). What was acknowledged is there, in its place; what was not is there as a prefix or
 * not at all.
 */
import { describe, expect, it } from 'vitest';
import { below, seededRandom } from '../kernel/random.ts';
import { StoreThrottled } from '../ports.ts';
import type { StoreFault } from '../store-memory.ts';
import type { AppendOutcome, LogStore, PartitionLog } from './log.ts';
import { batchOf, topicA, World } from './log-fixture.suite.ts';

interface Sent {
  readonly values: string[];
  readonly outcomes: AppendOutcome[];
}

class ModelLog {
  /** By offset, from offset 0 on. */
  acked: string[] = [];
  start = 0;
  sent: Sent[] = [];

  /** Moves what is answered from sent to acked. */
  absorb(): void {
    while (this.sent[0]?.outcomes.length === 1) {
      const { values, outcomes } = this.sent.shift()!;
      expect(outcomes[0]!.errorCode).toBe(0);
      expect(outcomes[0]!.baseOffset).toBe(this.acked.length);
      this.acked.push(...values);
    }
  }

  /** After a crash: what survived must be the acked values and then some of what was sent, in order. */
  adopt(survived: string[], start: number): void {
    const all = [...this.acked, ...this.sent.flatMap((sent) => sent.values)];
    expect(start).toBeGreaterThanOrEqual(this.start);
    expect(start + survived.length).toBeGreaterThanOrEqual(this.acked.length);
    expect(survived).toEqual(all.slice(start, start + survived.length));
    this.acked = all.slice(0, start + survived.length);
    this.start = start;
    this.sent = [];
  }
}

class History {
  readonly world: World;
  readonly random: ReturnType<typeof seededRandom>;
  readonly models = [new ModelLog(), new ModelLog(), new ModelLog()];
  epoch = 1;
  store!: LogStore;
  logs: PartitionLog[] = [];
  #counter = 0;

  constructor(seed: number) {
    this.random = seededRandom(seed);
    const isSlow = seed % 4 !== 0;
    const settings = { mergeBytesMax: [0, 400, 5000][seed % 3]!, rollUpBytes: [1500, 1 << 20][seed % 2]! };
    this.world = new World(settings, isSlow ? { slow: seededRandom(seed + 1000) } : {});
    if (isSlow) this.world.faults = () => this.fault();
  }

  /** A store that is slow, refuses, and loses answers. */
  fault(): StoreFault | undefined {
    const dice = this.pick(10);
    if (dice === 0) throw new StoreThrottled('throttled');
    return dice === 1 ? { replyLost: true } : { delayMs: this.pick(4) };
  }

  pick(n: number): number {
    return below(this.random, n);
  }

  async start(): Promise<void> {
    this.store = await this.world.startSession();
    this.epoch++;
    this.logs = [];
    for (let p = 0; p < this.models.length; p++) {
      this.logs.push(await this.world.open(this.store, this.epoch, {}, topicA, p));
    }
  }

  async check(adopts: boolean): Promise<void> {
    for (const [p, model] of this.models.entries()) {
      const log = this.logs[p]!;
      const values = await this.world.values(log, log.startOffset, 1 + this.pick(900));
      if (adopts) model.adopt(values, log.startOffset);
      expect(log.startOffset).toBe(model.start);
      expect(values).toEqual(model.acked.slice(model.start));
    }
  }

  send(): void {
    const p = this.pick(3);
    const values = Array.from({ length: 1 + this.pick(4) }, () => `${this.#counter++}`.padEnd(this.pick(200), '-'));
    this.models[p]!.sent.push({ values, outcomes: this.world.send(this.logs[p]!, batchOf(values)) });
  }

  /** Waits until everything sent is answered. */
  async settle(): Promise<void> {
    for (let i = 0; i < 1000 && this.models.some((model) => model.sent.length > 0); i++) {
      await this.world.clock.advance(5);
      for (const model of this.models) model.absorb();
    }
    for (const model of this.models) expect(model.sent).toEqual([]);
  }

  async crash(): Promise<void> {
    for (const model of this.models) model.absorb();
    this.world.crash(this.pick(4) === 0 ? 'none' : this.random);
    for (;;) {
      if (this.pick(2) === 0) break;
      // A recovery that dies halfway.
      const dying = this.world.recover();
      dying.catch(() => undefined);
      await this.world.clock.advance(this.pick(40));
      this.world.crash(this.random);
      await dying.catch(() => undefined);
    }
    await this.world.recover();
    await this.start();
    await this.check(true);
  }

  async step(): Promise<void> {
    const dice = this.pick(100);
    if (dice < 50) this.send();
    else if (dice < 60) await this.world.clock.advance(this.pick(3));
    else if (dice < 75) await this.settle();
    else if (dice < 82) {
      const rolling = this.store.rollUp();
      rolling.catch(() => undefined);
      if (this.pick(2) === 0) await this.world.run(rolling);
      else await this.world.clock.advance(this.pick(30));
      for (const model of this.models) model.absorb();
    } else if (dice < 86) {
      await this.settle();
      const p = this.pick(3);
      const model = this.models[p]!;
      const offset = model.start + this.pick(model.acked.length - model.start + 1);
      await this.world.run(this.logs[p]!.deleteRecords(offset));
      model.start = offset;
    } else if (dice < 89) {
      await this.settle();
      const p = this.pick(3);
      await this.world.run(this.store.release([this.logs[p]!]));
      this.epoch++;
      this.logs[p] = await this.world.open(this.store, this.epoch, {}, topicA, p);
    } else if (dice < 92) {
      await this.settle();
      await this.world.run(this.store.close());
      await this.start();
      await this.check(false);
    } else if (dice < 95) await this.crash();
    else {
      await this.settle();
      await this.check(false);
    }
  }
}

describe('random histories', () => {
  it.each(Array.from({ length: 32 }, (_, seed) => seed))('seed %i', async (seed) => {
    const history = new History(seed);
    await history.start();
    for (let i = 0; i < 100; i++) await history.step();
    await history.settle();
    await history.check(false);
    expect(history.world.fatal).toEqual([]);
  });
});
