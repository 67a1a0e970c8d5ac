/**
 * A consumer that keeps its positions with the group coordinator: it commits growing offsets and sometimes asks for them.
 * Some positions are committed often and some seldom, so that the coordinator's memory has to reach far back: a position
 * that is committed all the time looks the same after the coordinator has forgotten half.
 */
import { volumeFullCode } from '../../engine/protocol/error-codes.ts';
import { make } from '../../engine/protocol/make.ts';
import { offsetCommitRequest } from '../../engine/protocol/messages/08-offset-commit.ts';
import { offsetFetchRequest } from '../../engine/protocol/messages/09-offset-fetch.ts';
import { offsetDeleteRequest } from '../../engine/protocol/messages/47-offset-delete.ts';
import { below, type Random } from '../../engine/kernel/random.ts';
import { type Door, noAnswer } from './door.ts';
import { partitionName } from './partition-name.ts';
import type { SimTopic } from './topic-plan.ts';
import { lullPace, type World } from './world.ts';

/** One in this many times it deletes what it has committed of a partition. */
const forgetOneOf = 25;
const client = { clientId: 'committer', clientHost: '/127.0.0.1', version: 8 };

export class Committer {
  readonly #world: World;
  readonly #door: Door;
  readonly #random: Random;
  readonly #topic: SimTopic;
  readonly #group: string;
  /** By partition: the last offset sent, and the last one acknowledged. */
  readonly #sent: number[];
  readonly #acked: number[];
  /** By partition, the last of the deleted offsets. */
  readonly #gone: number[];
  /** By partition, how many deletions have been sent. */
  readonly #deletions: number[];
  isStopped = false;
  /** How many commits were stored as a whole. */
  taken = 0;
  /**
   * It deletes an offset in every second turn until one deletion succeeds: the offset must have been committed first.
   */
  hasToForget = false;
  #askedBehind: World['rush'];

  constructor(world: World, door: Door, topic: SimTopic, group: string) {
    this.#world = world;
    this.#askedBehind = world.rush;
    this.#door = door;
    this.#random = world.random();
    this.#topic = topic;
    this.#group = `${topic.clusterId}.${group}`;
    this.#sent = Array.from({ length: topic.partitions }, () => 0);
    this.#acked = this.#sent.map(() => -1);
    this.#gone = this.#sent.map(() => -1);
    this.#deletions = this.#sent.map(() => 0);
    this.#loop();
  }

  #place(partition: number): { readonly group: string; readonly partition: string } {
    return { group: this.#group, partition: partitionName(this.#topic.topicId, partition) };
  }

  get #target(): { readonly clusterId: string; readonly groupId: string } {
    return { clusterId: this.#topic.clusterId, groupId: this.#group };
  }

  #pauseMs(): number {
    const { loop, rush, lullUntilMs } = this.#world;
    if (loop.nowMs < rush.untilMs) return 0.5 + below(this.#random, 6) / 2;
    // No later commit follows, so that the next read shows whether the last one is still known.
    if (loop.nowMs < rush.silentUntilMs) return rush.silentUntilMs - loop.nowMs;
    return (20 + below(this.#random, 160)) * (loop.nowMs < lullUntilMs ? lullPace : 1);
  }

  #loop(): void {
    if (this.isStopped || this.#topic.isDeleted) return;
    const next = (): void => {
      this.#world.loop.schedule(this.#pauseMs(), () => this.#loop());
    };
    if (!this.#door.isOpen()) return next();
    const { loop, rush } = this.#world;
    // Behind a rush what was committed is asked for before anything else is committed: that would hide what was forgotten.
    const isBehind = loop.nowMs >= rush.untilMs && this.#askedBehind !== rush;
    if (isBehind) this.#askedBehind = rush;
    if (isBehind || (loop.nowMs >= rush.untilMs && below(this.#random, 4) === 0)) this.ask(next);
    else if (
      loop.nowMs >= rush.untilMs &&
      (below(this.#random, forgetOneOf) === 0 || (this.hasToForget && this.taken > 0 && below(this.#random, 2) === 0))
    )
      this.#forget(next);
    else this.#commit(next);
  }

  #commit(next: () => void): void {
    const { loop, rush } = this.#world;
    const places = this.#sent.length;
    // In a rush all of them alike, as who commits everything it has before it stops.
    const isRush = loop.nowMs < rush.untilMs;
    const chosen = below(this.#random, isRush ? places : 1 + below(this.#random, places));
    // Now and then all of them at once, which is more than one append to the coordinator's log holds.
    const isWhole = below(this.#random, 4) === 0 || (isRush && rush.isRefused);
    const indexes = isWhole ? [...this.#sent.keys()] : [chosen];
    const commits = indexes.map((partitionIndex) => ({
      partitionIndex,
      committedOffset: ++this.#sent[partitionIndex]!,
    }));
    const { history } = this.#world;
    for (const { partitionIndex, committedOffset } of commits)
      history.add({ kind: 'commit', ...this.#place(partitionIndex), offset: committedOffset });
    const partitions = commits.map((commit) => ({ ...commit, committedMetadata: '' }));
    const request = make(offsetCommitRequest, {
      groupId: this.#group,
      generationIdOrMemberEpoch: -1,
      topics: [{ name: this.#topic.name, partitions }],
    });
    this.#door.request(
      ({ engine }) => engine.coordinatorRequest(8, this.#target, request, client),
      (result) => {
        const isGood = result !== noAnswer && !(result instanceof Error);
        for (const [i, { partitionIndex, committedOffset }] of commits.entries()) {
          const code = isGood ? result.topics[0]!.partitions[i]!.errorCode : -1;
          history.add({ kind: 'committed', ...this.#place(partitionIndex), offset: committedOffset, code });
          if (code === 0) this.#acked[partitionIndex] = committedOffset;
        }
        const codes = isGood ? result.topics[0]!.partitions.map(({ errorCode: code }) => code) : [];
        if (isGood && codes.every((code) => code === 0)) this.taken++;
        // Reads what is there now, before another commit hides it.
        if (rush.isRefused && codes.includes(volumeFullCode)) this.ask(next);
        else next();
      },
    );
  }

  /** A deleted offset is not found again, whatever happens to the coordinator; only a later commit is. */
  #forget(next: () => void): void {
    const { history } = this.#world;
    const partitionIndex = below(this.#random, this.#sent.length);
    const forgotten = { ...this.#place(partitionIndex), offset: this.#sent[partitionIndex]! };
    const request = make(offsetDeleteRequest, {
      groupId: this.#group,
      topics: [{ name: this.#topic.name, partitions: [{ partitionIndex }] }],
    });
    this.#acked[partitionIndex] = -1;
    this.#deletions[partitionIndex]!++;
    this.#door.request(
      ({ engine }) => engine.coordinatorRequest(47, this.#target, request, { ...client, version: 0 }),
      (result) => {
        const isGood = result !== noAnswer && !(result instanceof Error) && result.errorCode === 0;
        if (isGood && result.topics[0]?.partitions[0]?.errorCode === 0) {
          history.add({ kind: 'forgotten', ...forgotten });
          this.#gone[partitionIndex] = forgotten.offset;
          this.hasToForget = false;
        } else history.add({ kind: 'unforgotten', ...this.#place(partitionIndex) });
        next();
      },
    );
  }

  ask(next: (isGood: boolean) => void): void {
    const acked = [...this.#acked];
    const gone = [...this.#gone];
    const deletions = [...this.#deletions];
    const topics = [{ name: this.#topic.name, partitionIndexes: [...acked.keys()] }];
    const request = make(offsetFetchRequest, { groups: [{ groupId: this.#group, topics }] });
    this.#door.request(
      ({ engine }) => engine.coordinatorRequest(9, this.#target, request, client),
      (result) => {
        const isGood = result !== noAnswer && !(result instanceof Error);
        const group = isGood ? result.groups[0] : undefined;
        const found = group?.errorCode === 0 ? (group.topics[0]?.partitions ?? []) : [];
        const known = found.filter(({ errorCode }) => errorCode === 0);
        for (const { partitionIndex, committedOffset } of known) {
          // An offset that was deleted while this request was in flight may be missing: only the others are checked.
          const isSame = deletions[partitionIndex] === this.#deletions[partitionIndex];
          const kept = isSame ? acked[partitionIndex]! : -1;
          const position = { ...this.#place(partitionIndex), offset: Number(committedOffset), acked: kept };
          this.#world.history.add({ kind: 'position', ...position, gone: gone[partitionIndex]! });
        }
        next(known.length === acked.length);
      },
    );
  }
}
