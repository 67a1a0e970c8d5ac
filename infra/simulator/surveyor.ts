/**
 * A client that asks where logs begin and end without reading them (ListOffsets), as tools do and consumers without a
 * place, and where an epoch ended (OffsetForLeaderEpoch), as consumers do that look for truncation. What it is told is
 * promised as what is read is: an end that a later owner does not have was told too early.
 */
import { below, type Random } from '../../engine/kernel/random.ts';
import { make } from '../../engine/protocol/make.ts';
import { listOffsetsRequest } from '../../engine/protocol/messages/02-list-offsets.ts';
import { offsetForLeaderEpochRequest } from '../../engine/protocol/messages/23-offset-for-leader-epoch.ts';
import { type Door, noAnswer } from './door.ts';
import { partitionName } from './partition-name.ts';
import type { SimTopic } from './topic-plan.ts';
import type { World } from './world.ts';

const askedTimes = { end: -1, start: -2 } as const;
/** One of so many questions is where an epoch ended. */
const epochOneOf = 4;

export class Surveyor {
  readonly #world: World;
  readonly #door: Door;
  readonly #random: Random;
  readonly #topic: SimTopic;
  /** Of each partition the latest epoch that it was told of. */
  readonly #epochs = new Map<number, number>();
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
    const isOfEpoch = below(this.#random, epochOneOf) === 0;
    this.#world.loop.schedule(pauseMs, () => (isOfEpoch ? this.#askEpoch() : this.#ask()));
  }

  #askEpoch(): void {
    const { topicId, name, partitions } = this.#topic;
    const { history } = this.#world;
    const index = below(this.#random, partitions);
    const epoch = below(this.#random, 1 + (this.#epochs.get(index) ?? 0));
    const partition = partitionName(topicId, index);
    const asked = history.told.of(partition);
    const request = make(offsetForLeaderEpochRequest, {
      topics: [{ topic: name, partitions: [{ partition: index, leaderEpoch: epoch }] }],
    });
    this.#door.request(
      ({ engine }) => engine.partitionRequest(23, request),
      (response) => {
        if (response !== noAnswer && !(response instanceof Error)) {
          const { errorCode, endOffset } = response.topics[0]!.partitions[0]!;
          if (errorCode === 0) history.add({ kind: 'epoch-end', partition, epoch, endOffset, asked });
        }
        this.#loop();
      },
    );
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
          if (errorCode === 0)
            this.#epochs.set(partitionIndex, Math.max(leaderEpoch, this.#epochs.get(partitionIndex) ?? 0));
          if (errorCode === 0) history.add({ kind: 'bound', partition, which, offset, leaderEpoch, asked });
        }
        this.#loop();
      },
    );
  }
}
