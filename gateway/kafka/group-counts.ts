/**
 * The quota on consumer groups, checked where a group may be created: JoinGroup and OffsetCommit. The coordinators own the
 * groups. This file keeps the known group ids of each cluster, so that a member of a known group costs one Set lookup. Only
 * an unknown group at the limit causes another request to the coordinators.
 *
 * The limit is approximate: gateways do not share what they know, so at the limit each may admit an extra group between two
 * checks. A group over the limit costs little; a request on every join would slow down all of them.
 */
import type { Engine } from '../../engine/engine.ts';
import type { Clock } from '../../engine/kernel/clock.ts';
import { errorCode } from '../../engine/protocol/error-codes.ts';

interface Known {
  groups: Set<string>;
  /** There may be more groups: nothing was read yet, or some coordinators did not answer. */
  isPartial: boolean;
  readAtMs: number;
  reading: Promise<void> | undefined;
}

/** At the limit, and while the list of groups is partial, it is read at most this often. */
const refreshIntervalMs = 1_000;
const clustersMax = 10_000;

export class GroupCounts {
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #clusters = new Map<string, Known>();

  constructor(engine: Engine, clock: Clock) {
    this.#engine = engine;
    this.#clock = clock;
  }

  /** Usually true at once; the promise may reject with a Failure of the engine. */
  mayUse(clusterId: string, innerGroup: string, groupsMax: number): boolean | Promise<boolean> {
    if (groupsMax === Infinity) return true;
    const known = this.#clusters.get(clusterId);
    if (known?.groups.has(innerGroup)) return true;
    return this.#admit(clusterId, innerGroup, groupsMax);
  }

  async #admit(clusterId: string, innerGroup: string, groupsMax: number): Promise<boolean> {
    let known = this.#clusters.get(clusterId);
    if (!known) {
      if (this.#clusters.size >= clustersMax) this.#clusters.clear();
      known = { groups: new Set(), isPartial: true, readAtMs: -Infinity, reading: undefined };
      this.#clusters.set(clusterId, known);
    }
    const isStale = this.#clock.monotonicMs() - known.readAtMs > refreshIntervalMs;
    if (isStale && (known.isPartial || known.groups.size >= groupsMax)) await this.#read(clusterId, known);
    if (known.groups.has(innerGroup)) return true;
    if (known.groups.size >= groupsMax) return false;
    known.groups.add(innerGroup);
    return true;
  }

  #read(clusterId: string, known: Known): Promise<void> {
    known.reading ??= this.#engine
      .listGroups(clusterId, { statesFilter: [], typesFilter: [] })
      .then(({ groups, errorCode: code }) => {
        const listed = groups.map(({ groupId }) => groupId);
        known.isPartial = code !== errorCode.none;
        // What was known of coordinators that are away still counts: their groups come back with them.
        known.groups = new Set(known.isPartial ? [...known.groups, ...listed] : listed);
        known.readAtMs = this.#clock.monotonicMs();
      })
      .finally(() => {
        known.reading = undefined;
      });
    return known.reading;
  }
}
