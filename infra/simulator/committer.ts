/**
 * A consumer that keeps its positions with the group coordinator: it commits growing offsets and sometimes asks for them.
 * Some positions are committed often and some seldom, so that the coordinator's memory has to reach far back: a position
 * that is committed all the time looks the same after the coordinator has forgotten half.
 */
import { make } from '../../engine/protocol/make.ts';
import { offsetCommitRequest } from '../../engine/protocol/messages/08-offset-commit.ts';
import { offsetFetchRequest } from '../../engine/protocol/messages/09-offset-fetch.ts';
import { deleteGroupsRequest } from '../../engine/protocol/messages/42-delete-groups.ts';
import { offsetDeleteRequest } from '../../engine/protocol/messages/47-offset-delete.ts';
import { errorCode, volumeFullCode } from '../../engine/protocol/error-codes.ts';
import { below, type Random, seededRandom } from '../../engine/kernel/random.ts';
import type { CoordinatorApi } from '../../engine/engine.ts';
import type { RequestOf, ResponseOf } from '../../engine/protocol/apis.ts';
import { type Door, noAnswer } from './door.ts';
import { partitionName } from './partition-name.ts';
import type { SimTopic } from './topic-plan.ts';
import { lullPace, type World } from './world.ts';

/** One in this many times it deletes what it has committed of a partition. */
const forgetOneOf = 25;
/** Of these, where it deletes groups, the whole group. */
const dropOneOf = 3;
/** With one of these codes nothing was deleted. */
const undone: ReadonlySet<number> = new Set([
  volumeFullCode,
  errorCode.notCoordinator,
  errorCode.coordinatorNotAvailable,
  errorCode.coordinatorLoadInProgress,
]);
const client = { clientId: 'committer', clientHost: '/127.0.0.1', version: 8 };

export class Committer {
  readonly #world: World;
  readonly #door: Door;
  readonly #random: Random;
  /** For deletions of groups, where there are such. */
  readonly #drops: Random | undefined;
  readonly #topic: SimTopic;
  /** Without its cluster. */
  readonly group: string;
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
  /** The same for the whole group, where it deletes groups. */
  hasToDrop = false;
  /** It has not learned what became of a commit or a deletion: that may come later. */
  isUnsure = false;
  #inFlight = 0;
  #askedBehind: World['rush'];

  constructor(world: World, door: Door, topic: SimTopic, group: string) {
    this.#world = world;
    this.#askedBehind = world.rush;
    this.#door = door;
    this.#random = world.random();
    const { dropsGroups, seed } = world.settings;
    const drops = seededRandom(Math.imul(seed + 1, 0x27d4eb2f) ^ topic.partitions);
    this.#drops = dropsGroups ? drops : undefined;
    this.#topic = topic;
    this.group = group;
    this.#group = `${topic.clusterId}.${group}`;
    this.#sent = Array.from({ length: topic.partitions }, () => 0);
    this.#acked = this.#sent.map(() => -1);
    this.#gone = this.#sent.map(() => -1);
    this.#deletions = this.#sent.map(() => 0);
    this.#loop();
  }

  /** Nothing that it sent is on its way. */
  get isIdle(): boolean {
    return this.#inFlight === 0;
  }

  get dropsGroups(): boolean {
    return this.#drops !== undefined;
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
      (below(this.#random, forgetOneOf) === 0 || (this.#hasToDelete && below(this.#random, 2) === 0))
    ) {
      const isWhole = this.hasToDrop || (!this.hasToForget && this.#drops && below(this.#drops, dropOneOf) === 0);
      if (isWhole) this.#drop(next);
      else this.#forget(next);
    } else this.#commit(next);
  }

  get #hasToDelete(): boolean {
    return (this.hasToForget || this.hasToDrop) && this.taken > 0;
  }

  /** One at a time; `told` gets undefined without an answer, or for one that is no response. */
  #ask<K extends CoordinatorApi>(
    key: K,
    request: RequestOf<K>,
    version: number,
    told: (response: ResponseOf<K> | undefined) => void,
  ): void {
    this.#inFlight++;
    this.#door.request(
      ({ engine }) => engine.coordinatorRequest(key, this.#target, request, { ...client, version }),
      (result) => {
        this.#inFlight--;
        told(result === noAnswer || result instanceof Error ? undefined : result);
      },
    );
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
    this.#ask(8, request, client.version, (response) => {
      for (const [i, { partitionIndex, committedOffset }] of commits.entries()) {
        const code = response?.topics[0]!.partitions[i]!.errorCode ?? -1;
        history.add({ kind: 'committed', ...this.#place(partitionIndex), offset: committedOffset, code });
        if (code === 0) this.#acked[partitionIndex] = committedOffset;
      }
      const codes = response?.topics[0]!.partitions.map(({ errorCode: code }) => code) ?? [];
      if (response && codes.every((code) => code === 0)) this.taken++;
      else this.isUnsure = true;
      // Reads what is there now, before another commit hides it.
      if (rush.isRefused && codes.includes(volumeFullCode)) this.ask(next);
      else next();
    });
  }

  /** A deleted offset is not found again, whatever happens to the coordinator; only a later commit is. */
  #forget(next: () => void): void {
    const partitionIndex = below(this.#random, this.#sent.length);
    const request = make(offsetDeleteRequest, {
      groupId: this.#group,
      topics: [{ name: this.#topic.name, partitions: [{ partitionIndex }] }],
    });
    const told = this.#deletes([partitionIndex]);
    this.#ask(47, request, 0, (response) => {
      const code = response?.errorCode === 0 ? (response.topics[0]?.partitions[0]?.errorCode ?? -1) : -1;
      told(code === 0 || response?.errorCode === errorCode.groupIdNotFound);
      if (code === 0) this.hasToForget = false;
      next();
    });
  }

  /** The same for all offsets, and with them the group. */
  #drop(next: () => void): void {
    const acked = [...this.#acked];
    const told = this.#deletes([...this.#sent.keys()]);
    this.#ask(42, make(deleteGroupsRequest, { groupsNames: [this.#group] }), 2, (response) => {
      const code = response?.results[0]?.errorCode ?? -1;
      // One that is not there any more has been deleted by an attempt whose answer was lost.
      const isGone = code === 0 || code === errorCode.groupIdNotFound;
      if (undone.has(code)) for (const [index, offset] of acked.entries()) this.#acked[index] = offset;
      else told(isGone);
      if (isGone) this.hasToDrop = false;
      next();
    });
  }

  /** Call the result with whether they are deleted; otherwise nobody knows. */
  #deletes(indexes: readonly number[]): (isGone: boolean) => void {
    const { history } = this.#world;
    const offsets = indexes.map((index) => this.#sent[index]!);
    for (const index of indexes) {
      this.#acked[index] = -1;
      this.#deletions[index]!++;
    }
    return (isGone) => {
      for (const [i, index] of indexes.entries()) {
        const place = this.#place(index);
        history.add(isGone ? { kind: 'forgotten', ...place, offset: offsets[i]! } : { kind: 'unforgotten', ...place });
        if (isGone) this.#gone[index] = offsets[i]!;
        else this.isUnsure = true;
      }
    };
  }

  ask(next: (isGood: boolean) => void): void {
    const acked = [...this.#acked];
    const gone = [...this.#gone];
    const deletions = [...this.#deletions];
    const topics = [{ name: this.#topic.name, partitionIndexes: [...acked.keys()] }];
    const request = make(offsetFetchRequest, { groups: [{ groupId: this.#group, topics }] });
    this.#ask(9, request, client.version, (response) => {
      const group = response?.groups[0];
      const found = group?.errorCode === 0 ? (group.topics[0]?.partitions ?? []) : [];
      const known = found.filter(({ errorCode: code }) => code === 0);
      for (const { partitionIndex, committedOffset } of known) {
        // An offset that was deleted while this request was in flight may be missing: only the others are checked.
        const isSame = deletions[partitionIndex] === this.#deletions[partitionIndex];
        const kept = isSame ? acked[partitionIndex]! : -1;
        const position = { ...this.#place(partitionIndex), offset: Number(committedOffset), acked: kept };
        this.#world.history.add({ kind: 'position', ...position, gone: gone[partitionIndex]! });
      }
      next(known.length === acked.length);
    });
  }
}
