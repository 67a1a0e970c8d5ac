/**
 * Several clients act at random, with a log that is slow, fails and moves away. After every step the
 * invariants of the protocol hold, and a successor that reads the log at that moment agrees with what was acknowledged.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { manualClock } from '../../kernel/manual-clock.ts';
import { DiskFull } from '../../ports.ts';
import { unsureCode, volumeFullCode } from '../../protocol/error-codes.ts';
import { type Bench, bench, client, HeldLog, type Parked, protocols } from './coordinator.suite.ts';
import type { CoordinatorLog } from './coordinator-log.ts';
import type { Group } from './group.ts';
import { replayGroups } from './load-groups.ts';
import type { JoinGroupResponse } from '../../protocol/messages/11-join-group.ts';
import type { SyncGroupResponse } from '../../protocol/messages/14-sync-group.ts';

const partitions = 2;

/** A client that follows the protocol, with bad timing. */
interface Player {
  readonly instanceId: string | null;
  memberId: string;
  generation: number;
  join: Parked<JoinGroupResponse> | undefined;
  /** When the join was sent. */
  era: number;
  joined: JoinGroupResponse | undefined;
  sync: Parked<SyncGroupResponse> | undefined;
  assignment: string | undefined;
}

type Act =
  | 'regroup'
  | 'join'
  | 'sync'
  | 'heartbeat'
  | 'commit'
  | 'leave'
  | 'forget'
  | 'hold'
  | 'release'
  | 'fail'
  | 'move'
  | 'delete';

const step = fc.record({
  act: fc.constantFrom<Act>(
    ...(['regroup', 'regroup', 'regroup', 'regroup', 'join', 'join', 'sync', 'sync', 'heartbeat'] as const),
    ...(['commit', 'commit', 'commit', 'commit', 'commit', 'commit', 'heartbeat', 'leave', 'forget'] as const),
    ...(['hold', 'release', 'release', 'fail', 'move', 'delete'] as const),
  ),
  who: fc.nat(3),
  waitMs: fc.constantFrom(0, 0, 0, 0, 0, 300, 2_000, 7_000, 31_000),
  protocol: fc.constantFrom('range', 'sticky', 'both'),
});

/** The durable state, in a form that can be compared. */
async function stateIn(log: CoordinatorLog): Promise<unknown> {
  const groups = new Map<string, Group>();
  await replayGroups(groups, manualClock(), log);
  return new Map(
    Array.from(groups, ([groupId, group]) => [
      groupId,
      { stored: Buffer.from(group.stored ?? []).toString('latin1'), offsets: group.offsets },
    ]),
  );
}

class Walk {
  #on: Bench;
  readonly #players: Player[];
  #nextOffset = 0;
  /** The newest generation that each member id has seen. Answers to different members may overtake each other. */
  #generations = new Map<string, number>();
  /** Answers to requests from before the group was deleted or moved say nothing about the generations of this era. */
  #era = 0;
  /** For each generation, the member that was told to assign. */
  #assigners = new Map<number, string>();
  /** Per partition: the last acknowledged offset, and unanswered commits since that may have been written. */
  readonly #acked = new Map<number, { offset: number; maybe: Set<number> }>();
  readonly #answers: Promise<unknown>[] = [];

  constructor(on: Bench) {
    this.#on = on;
    this.#players = [null, null, 'i0', 'i1'].map((instanceId) => ({ instanceId, ...fresh() }));
  }

  async take({
    act,
    who,
    waitMs,
    protocol,
  }: {
    act: Act;
    who: number;
    waitMs: number;
    protocol: string;
  }): Promise<void> {
    const player = this.#players[who]!;
    const { log } = this.#on;
    if (act === 'hold') log.hold = true;
    else if (act === 'release') log.release();
    else if (act === 'fail') log.failWith = log.failWith ? undefined : new DiskFull('no space');
    else if (act === 'move') await this.#move();
    else if (act === 'delete') this.#delete();
    else if (act === 'regroup') await this.#regroup(protocol);
    else await this.#play(player, act, protocol);
    await this.#on.clock.advance(waitMs);
    for (const each of this.#players) this.#listen(each);
    await this.#check();
  }

  /** Every request is answered in the end. */
  async end(): Promise<void> {
    this.#on.log.failWith = undefined;
    this.#on.log.release();
    await this.#on.clock.advance(10_000_000);
    expect(this.#players.filter((each) => each.join && !each.join.response)).toEqual([]);
    await Promise.all(this.#answers);
    await this.#check();
  }

  /** All clients behave well for a while. */
  async #regroup(protocol: string): Promise<void> {
    for (let round = 0; round < 5; round++) {
      for (const player of this.#players) {
        if (player.joined === undefined) await this.#play(player, 'join', protocol);
        else if (player.assignment === undefined) await this.#play(player, 'sync', protocol);
        else await this.#play(player, 'heartbeat', protocol);
      }
      await this.#on.clock.advance(300);
      for (const player of this.#players) this.#listen(player);
    }
  }

  async #play(player: Player, act: Act, protocol: string): Promise<void> {
    const { memberId, instanceId, generation } = player;
    switch (act) {
      case 'join': {
        if (player.join !== undefined) return;
        const names = protocol === 'both' ? ['range', 'sticky'] : ['range'];
        player.join = this.#on.join({ memberId, groupInstanceId: instanceId, protocols: protocols(...names) });
        player.era = this.#era;
        player.joined = undefined;
        player.assignment = undefined;
        this.#answers.push(player.join.done);
        return;
      }
      case 'sync': {
        if (player.joined === undefined || player.sync !== undefined) return;
        const isLeader = player.joined.leader === memberId && !player.joined.skipAssignment;
        const ids = isLeader ? player.joined.members.map((each) => each.memberId) : [];
        const parts = Object.fromEntries(ids.map((id) => [id, `${id}@${generation}`]));
        player.sync = this.#on.sync(memberId, generation, parts, instanceId ?? undefined);
        this.#answers.push(player.sync.done);
        return;
      }
      case 'heartbeat':
        if (generation < 0) return;
        this.#obey(player, await this.#on.heartbeat(memberId, generation, instanceId ?? undefined));
        return;
      case 'commit':
        if (player.assignment !== undefined) this.#commit(player);
        return;
      case 'leave':
        if (memberId !== '') this.#answers.push(this.#on.leave(memberId, instanceId));
        Object.assign(player, fresh());
        return;
      default:
        Object.assign(player, fresh());
    }
  }

  #commit(player: Player): void {
    const partition = this.#nextOffset % partitions;
    const offset = this.#nextOffset++;
    const known = this.#acked.get(partition) ?? { offset: -1, maybe: new Set<number>() };
    this.#acked.set(partition, known);
    known.maybe.add(offset);
    const { memberId, instanceId, generation } = player;
    const done = this.#on.commit(offset, { partition, memberId, generation, ...(instanceId ? { instanceId } : {}) });
    const answer = done.then((code) => {
      // This commit overwrites earlier ones; later ones may or may not be there.
      if (code === 0) {
        known.offset = offset;
        for (const each of known.maybe) if (each <= offset) known.maybe.delete(each);
      }
      this.#obey(player, code);
    });
    this.#answers.push(answer);
  }

  /** Only an empty group can be deleted, and then its offsets are gone or, with a refused tombstone, not. */
  #delete(): void {
    const answer = this.#on.coordinator.deleteGroups(2, { groupsNames: ['g'] }, client).then(({ results }) => {
      const code = results[0]!.errorCode;
      expect([0, 14, 15, 16, 68, 69, unsureCode, volumeFullCode]).toContain(code);
      for (const known of this.#acked.values()) {
        if (code === 0) [known.offset, known.maybe] = [-1, new Set()];
        else if (code !== 68 && code !== 69) known.maybe.add(-1);
      }
      if (code === 0) this.#beginAnew();
    });
    this.#answers.push(answer);
  }

  /** The partition moves: writes in flight may land or not, and a successor reads what is in the log. */
  async #move(): Promise<void> {
    this.#on.coordinator.close();
    this.#on.log.failWith = undefined;
    this.#on.log.release();
    await this.#on.clock.settle();
    for (const each of this.#players) {
      this.#listen(each);
      expect(each.join ?? each.sync).toBeUndefined();
    }
    // A generation that began but was never synced is forgotten, and its number is used again.
    this.#beginAnew();
    const settings = { checkpointBytes: 4_000, appendBytesMax: 300 };
    this.#on = await bench({ on: this.#on, settings });
  }

  #beginAnew(): void {
    this.#era += 1;
    this.#generations = new Map();
    this.#assigners = new Map();
  }

  #listen(player: Player): void {
    const join = player.join?.response;
    if (join !== undefined) {
      player.join = undefined;
      if (join.errorCode === 0) {
        if (player.era === this.#era) this.#hearGeneration(join);
        Object.assign(player, { joined: join, memberId: join.memberId, generation: join.generationId });
      } else if (join.errorCode === 79) player.memberId = join.memberId;
      else this.#obey(player, join.errorCode);
    }
    const sync = player.sync?.response;
    if (sync !== undefined) {
      player.sync = undefined;
      if (sync.errorCode === 0) player.assignment = Buffer.from(sync.assignment).toString();
      else this.#obey(player, sync.errorCode);
    }
  }

  #obey(player: Player, code: number): void {
    expect([0, 14, 15, 16, 22, 25, 27, 69, 79, 82, unsureCode, volumeFullCode]).toContain(code);
    if (code !== 0) [player.assignment, player.joined] = [undefined, undefined];
    if (code === 22 || code === 25 || code === 82) [player.memberId, player.generation] = ['', -1];
  }

  async #check(): Promise<void> {
    await this.#checkGroup();
    await this.#checkOffsets(this.#on);
    const { log } = this.#on;
    if (log.hold) return;
    await this.#on.clock.settle();
    // Nothing is in flight, so a successor must have exactly the same state.
    const successorLog = new HeldLog();
    Object.assign(successorLog, { inner: log.inner.copy() });
    const before = await stateIn(successorLog);
    const successor = await bench({ on: { ...this.#on, log: successorLog }, settings: { checkpointBytes: 1 } });
    await this.#checkOffsets(successor);
    await this.#checkSuccessor(successor);
    await this.#on.clock.settle();
    successor.coordinator.close();
    // The log now has a checkpoint and nothing before it: the same state in fewer records.
    expect(await stateIn(successorLog)).toEqual(before);
  }

  async #checkGroup(): Promise<void> {
    const group = await describeGroup(this.#on);
    if (group.groupState === 'Empty' || group.groupState === 'Dead') expect(group.members).toEqual([]);
    if (group.groupState !== 'Stable') return;
    expect(group.members.length).toBeGreaterThan(0);
    for (const member of group.members) {
      expect(member.memberMetadata.length).toBeGreaterThan(0);
      // A static member that returns keeps the assignment of its previous member id.
      const owner = member.groupInstanceId ?? member.memberId;
      expect(Buffer.from(member.memberAssignment).toString().startsWith(owner)).toBe(true);
    }
  }

  #hearGeneration(join: JoinGroupResponse): void {
    expect(join.generationId).toBeGreaterThanOrEqual(this.#generations.get(join.memberId) ?? 1);
    this.#generations.set(join.memberId, join.generationId);
    if (join.leader !== join.memberId || join.skipAssignment) return;
    expect(join.members.map((each) => each.memberId)).toContain(join.memberId);
    expect(this.#assigners.get(join.generationId) ?? join.memberId).toBe(join.memberId);
    this.#assigners.set(join.generationId, join.memberId);
  }

  async #checkOffsets(on: Bench): Promise<void> {
    for (const [partition, known] of this.#acked) {
      const found = await on.fetch('t', partition);
      expect([known.offset, ...known.maybe]).toContain(found);
    }
  }

  /** Members of a stable group continue at a successor: same members, same assignments. */
  async #checkSuccessor(successor: Bench): Promise<void> {
    const [ours, theirs] = [await describeGroup(this.#on), await describeGroup(successor)];
    if (ours.groupState !== 'Stable') return;
    expect(theirs.groupState).toBe('Stable');
    const parts = (group: typeof ours) =>
      new Map(group.members.map((each) => [each.memberId, Buffer.from(each.memberAssignment).toString()]));
    expect(parts(theirs)).toEqual(parts(ours));
  }
}

function fresh(): Omit<Player, 'instanceId'> {
  return {
    memberId: '',
    generation: -1,
    era: 0,
    join: undefined,
    joined: undefined,
    sync: undefined,
    assignment: undefined,
  };
}

async function describeGroup(on: Bench) {
  const request = { groups: ['g'], includeAuthorizedOperations: false };
  return (await on.coordinator.describeGroups(5, request, client)).groups[0]!;
}

describe('a random walk', () => {
  // In two tests, each far from its time limit on a busy machine.
  it.each([
    [20, 40],
    [40, 60],
  ])('of %i to %i steps breaks no rule, and every successor agrees', async (minLength, maxLength) => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength, maxLength }), async (steps) => {
        const walk = new Walk(await bench({ settings: { checkpointBytes: 4_000, appendBytesMax: 300 } }));
        for (const each of steps) await walk.take(each);
        await walk.end();
      }),
      { numRuns: 25 },
    );
  });
});
