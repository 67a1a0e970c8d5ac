/** Whether a healed world works again: every broker serves, every partition takes a record from either kind of sender, every group answers and takes commits. */
import { cutOne } from './cut-one.ts';
import type { Committer } from './committer.ts';
import type { Door } from './door.ts';
import type { Doors } from './doors.ts';
import { partitionName } from './partition-name.ts';
import { sendOne } from './send-one.ts';
import type { Supervisor } from './supervisor.ts';
import type { SimTopic } from './topic-plan.ts';
import type { TopicRoom } from './topic-room.ts';
import type { World } from './world.ts';

const retryMs = 100;

export class Liveness {
  readonly #world: World;
  readonly #doors: Doors;
  readonly #supervisor: Supervisor;
  readonly #topics: TopicRoom;
  readonly #missing = new Set<string>();
  /** By group, those whose commits, and deletions of what was committed, are waited for, and how many were taken before. */
  readonly #commits = new Map<string, { readonly committer: Committer; readonly taken: number }>();
  #probes = 0;

  constructor(world: World, doors: Doors, supervisor: Supervisor, topics: TopicRoom) {
    this.#world = world;
    this.#doors = doors;
    this.#supervisor = supervisor;
    this.#topics = topics;
    for (const topic of topics.topics) {
      if (topic.isDeleted) continue;
      for (let i = 0; i < topic.partitions; i++) {
        for (const door of doors.all) {
          this.#probe(door, topic, i, 'plain');
          this.#probe(door, topic, i, 'gateway');
        }
        if (topic.isCutOnly) this.#cut(topic, i);
      }
    }
    for (const [i, committer] of topics.committers.entries()) {
      if (topics.topics[i]?.isDeleted) continue;
      const what = `group ${i}`;
      this.#missing.add(what);
      committer.hasToForget = true;
      committer.hasToDrop = committer.dropsGroups;
      this.#commits.set(`a commit, or a deletion, of ${what}`, { committer, taken: committer.taken });
      const ask = (): void =>
        committer.ask((isGood) => {
          if (isGood) this.#missing.delete(what);
          else this.#world.loop.schedule(retryMs, ask);
        });
      ask();
    }
  }

  get isGood(): boolean {
    const isWhole = this.#missing.size === 0 && this.#untaken().length === 0;
    return isWhole && this.#brokersServe() && this.#brokenGroups().length === 0;
  }

  missing(): string {
    const brokers = this.#brokersServe() ? [] : ['a controller or a broker that serves'];
    return `still missing after the faults: ${[...this.#missing, ...this.#untaken(), ...brokers, ...this.#brokenGroups()].join(', ')}`;
  }

  #untaken(): string[] {
    for (const [what, { committer, taken }] of this.#commits)
      if (committer.taken > taken && !committer.hasToForget && !committer.hasToDrop) this.#commits.delete(what);
    return [...this.#commits.keys()];
  }

  #brokenGroups(): string[] {
    const broken = this.#topics.groups.filter(({ isOver, isWhole }) => !isOver && !isWhole);
    return broken.map(({ groupId }) => `the members of ${groupId}`);
  }

  #brokersServe(): boolean {
    const { gateways, deciders } = this.#supervisor;
    const work = [...gateways, ...deciders].every(({ isServing, process, controller }) => {
      return isServing && process.isAlive && controller.ready();
    });
    return work && deciders[0]!.controller.brokers().every(({ state }) => state === 'serving');
  }

  /** Where clients delete records one can be deleted, if there is one. */
  #cut(topic: SimTopic, index: number): void {
    const what = `the end of what is deleted of ${topic.name}/${index}`;
    this.#missing.add(what);
    const attempt = (): void => {
      const { start, end } = this.#world.history.told.of(partitionName(topic.topicId, index));
      cutOne(this.#doors.first, topic, index, Math.min(start + 1, end), (code) => {
        if (code === 0) this.#missing.delete(what);
        else this.#world.loop.schedule(retryMs, attempt);
      });
    };
    attempt();
  }

  #probe(door: Door, topic: SimTopic, index: number, as: 'plain' | 'gateway'): void {
    const where = door.gateway === 0 ? '' : ` through gateway ${door.gateway + 1}`;
    const place = `${topic.name}/${index}${where}`;
    const what = as === 'plain' ? place : `the record producer's line of ${place}`;
    this.#missing.add(what);
    const attempt = (): void => {
      const send = { producer: `probe ${as}${where}`, as, topic, index, value: `probe:${this.#probes++}` };
      sendOne(door, send, (code) => {
        if (code === 0) this.#missing.delete(what);
        else this.#world.loop.schedule(retryMs, attempt);
      });
    };
    attempt();
  }
}
