/** Whether a healed world works again: every broker serves, every partition takes a record, every group answers. */
import { encodeBatch } from '../../engine/records/encode.ts';
import { type Door, noAnswer } from './door.ts';
import { partitionName } from './partition-name.ts';
import type { Supervisor } from './supervisor.ts';
import type { SimTopic } from './topic-plan.ts';
import type { TopicRoom } from './topic-room.ts';
import type { World } from './world.ts';

const retryMs = 100;

export class Liveness {
  readonly #world: World;
  readonly #door: Door;
  readonly #supervisor: Supervisor;
  readonly #topics: TopicRoom;
  readonly #missing = new Set<string>();
  #probes = 0;

  constructor(world: World, door: Door, supervisor: Supervisor, topics: TopicRoom) {
    this.#world = world;
    this.#door = door;
    this.#supervisor = supervisor;
    this.#topics = topics;
    for (const topic of topics.topics) {
      if (topic.isDeleted) continue;
      for (let i = 0; i < topic.partitions; i++) this.#probe(topic, i);
    }
    for (const [i, committer] of topics.committers.entries()) {
      if (topics.topics[i]?.isDeleted) continue;
      const what = `group ${i}`;
      this.#missing.add(what);
      const ask = (): void =>
        committer.ask((isGood) => {
          if (isGood) this.#missing.delete(what);
          else this.#world.loop.schedule(retryMs, ask);
        });
      ask();
    }
  }

  get isGood(): boolean {
    return this.#missing.size === 0 && this.#brokersServe() && this.#brokenGroups().length === 0;
  }

  missing(): string {
    const brokers = this.#brokersServe() ? [] : ['a controller or a broker that serves'];
    return `still missing after the faults: ${[...this.#missing, ...brokers, ...this.#brokenGroups()].join(', ')}`;
  }

  #brokenGroups(): string[] {
    const broken = this.#topics.groups.filter(({ isOver, isWhole }) => !isOver && !isWhole);
    return broken.map(({ groupId }) => `the members of ${groupId}`);
  }

  #brokersServe(): boolean {
    const { parent, deciders } = this.#supervisor;
    const work = [parent, ...deciders].every(({ isServing, process, controller }) => {
      return isServing && process.isAlive && controller.ready();
    });
    return work && deciders[0]!.controller.brokers().every(({ state }) => state === 'serving');
  }

  #probe(topic: SimTopic, index: number): void {
    const what = `${topic.name}/${index}`;
    const partition = partitionName(topic.topicId, index);
    const { history, loop } = this.#world;
    this.#missing.add(what);
    const attempt = (): void => {
      const values = [`probe:${this.#probes++}`];
      history.add({ kind: 'send', producer: 'probe', as: 'plain', partition, values });
      const records = encodeBatch([{ key: null, value: Buffer.from(values[0]!), timestampMs: loop.wallMs }]);
      this.#door.call<{ code: number; offset: number }>(
        ({ engine }, answer) => {
          engine.append({
            topicId: topic.topicId,
            partition: index,
            records,
            idempotent: false,
            timeoutMs: 3000,
            done: ({ errorCode, baseOffset }) => answer({ code: errorCode, offset: baseOffset }),
          });
        },
        (result) => {
          const { code, offset } = result === noAnswer ? { code: -1, offset: -1 } : result;
          history.add({ kind: 'sent', producer: 'probe', partition, values, code, offset, isNext: false });
          if (code === 0) this.#missing.delete(what);
          else loop.schedule(retryMs, attempt);
        },
      );
    };
    attempt();
  }
}
