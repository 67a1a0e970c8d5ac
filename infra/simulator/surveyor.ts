/**
 * A client that asks where logs begin and end without reading them (ListOffsets), as tools do and consumers without a
 * place. What it is told is promised as what is read is: an end that a later owner does not have was told too early.
 */
import { below, type Random } from '../../engine/kernel/random.ts';
import { make } from '../../engine/protocol/make.ts';
import { listOffsetsRequest } from '../../engine/protocol/messages/02-list-offsets.ts';
import { type Door, noAnswer } from './door.ts';
import { partitionName } from './partition-name.ts';
import type { SimTopic } from './topic-plan.ts';
import type { World } from './world.ts';

const askedTimes = { end: -1, start: -2 } as const;

export class Surveyor {
  readonly #world: World;
  readonly #door: Door;
  readonly #random: Random;
  readonly #topic: SimTopic;
  isStopped = false;

  constructor(world: World, door: Door, topic: SimTopic) {
    this.#world = world;
    this.#door = door;
    this.#random = world.random();
    this.#topic = topic;
    this.#loop();
  }

  #loop(): void {
    if (this.isStopped || this.#topic.isDeleted) return;
    const pauseMs = 40 + below(this.#random, 200);
    this.#world.loop.schedule(pauseMs, () => this.#ask());
  }

  #ask(): void {
    const { topicId, name, partitions } = this.#topic;
    const { history } = this.#world;
    const partitionIndex = below(this.#random, partitions);
    const which = below(this.#random, 3) > 0 ? 'end' : 'start';
    const partition = partitionName(topicId, partitionIndex);
    const asked = history.told.of(partition);
    const request = make(listOffsetsRequest, {
      topics: [{ name, partitions: [{ partitionIndex, timestamp: askedTimes[which] }] }],
    });
    this.#door.request(
      ({ engine }) => engine.partitionRequest(2, request),
      (response) => {
        if (response !== noAnswer && !(response instanceof Error)) {
          const { errorCode, offset, leaderEpoch } = response.topics[0]!.partitions[0]!;
          if (errorCode === 0) history.add({ kind: 'bound', partition, which, offset, leaderEpoch, asked });
        }
        this.#loop();
      },
    );
  }
}
