/**
 * Producers that send once and never again: one with batches of its own, one through the gateway's record producer
 * (what HTTP and WebSocket use). Without an answer they do not know; with one, the value is there for good.
 */
import { framePool } from '../../engine/kernel/frame-pool.ts';
import { below, type Random } from '../../engine/kernel/random.ts';
import { encodeBatch } from '../../engine/records/encode.ts';
import { type Door, noAnswer } from './door.ts';
import { partitionName } from './partition-name.ts';
import { valueOf } from './value.ts';
import type { SimTopic } from './topic-plan.ts';
import type { World } from './world.ts';

export class PlainProducer {
  readonly #world: World;
  readonly #door: Door;
  readonly #random: Random;
  readonly #topic: SimTopic;
  readonly #as: 'plain' | 'gateway';
  readonly #name: string;
  #count = 0;
  #inFlight = 0;
  isStopped = false;

  constructor(world: World, door: Door, topic: SimTopic, as: 'plain' | 'gateway', name: string) {
    this.#world = world;
    this.#door = door;
    this.#random = world.random();
    this.#topic = topic;
    this.#as = as;
    this.#name = name;
    this.#loop();
  }

  get isIdle(): boolean {
    return this.#inFlight === 0;
  }

  #loop(): void {
    if (this.isStopped || this.#topic.isDeleted) return;
    const { topicId, partitions } = this.#topic;
    const all = Array.from({ length: partitions }, (_, index) => partitionName(topicId, index));
    const open = this.#world.inFocus(all);
    if (this.#door.isOpen() && this.#inFlight < 6 && open.length > 0) {
      this.#send(all.indexOf(open[below(this.#random, partitions) % open.length]!));
    }
    this.#world.loop.schedule(this.#world.pauseMs(this.#random, 15 + below(this.#random, 360)), () => this.#loop());
  }

  #send(index: number): void {
    const values = [valueOf(this.#name, this.#count++)];
    const partition = partitionName(this.#topic.topicId, index);
    const { history, loop } = this.#world;
    history.add({ kind: 'send', producer: this.#name, as: this.#as, partition, values });
    this.#inFlight++;
    const value = Buffer.from(values[0]!);
    this.#door.call<{ code: number; offset: number }>(
      (parent, answer) => {
        if (this.#as === 'plain') {
          const records = framePool.gather([encodeBatch([{ key: null, value, timestampMs: loop.wallMs }])]);
          parent.engine.append({
            topicId: this.#topic.topicId,
            partition: index,
            records,
            idempotent: false,
            timeoutMs: 5000,
            done({ errorCode, baseOffset }, recordsAreFree) {
              if (recordsAreFree) framePool.give(records);
              answer({ code: errorCode, offset: baseOffset });
            },
          });
          return;
        }
        const topic = parent.catalogue.byId(this.#topic.topicId);
        if (!topic) return answer({ code: 3, offset: -1 });
        const principal = { tenantId: 't', clusterId: topic.clusterId, keyId: 'k' };
        parent.records.produce(principal, topic, [{ key: null, value, partition: index }], ([outcome]) => {
          answer({ code: outcome!.errorCode, offset: outcome!.offset });
        });
      },
      (result) => {
        this.#inFlight--;
        const { code, offset } = result === noAnswer ? { code: -1, offset: -1 } : result;
        history.add({ kind: 'sent', producer: this.#name, partition, values, code, offset, isNext: false });
      },
      8000,
    );
  }
}
