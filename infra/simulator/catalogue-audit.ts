/**
 * Whether processes' knowledge of topics, owners and sessions matches the rows, once nothing is wrong any more. Otherwise a
 * missed change would be noticed only when a request touches it.
 */
import type { StoreCatalogue } from '../../engine/catalogue.ts';
import { brokerSessionsPk, decodeBrokerSession } from '../../engine/controller/rows/broker-session.ts';
import { decodePlacement, placementSkPrefix } from '../../engine/controller/rows/placement.ts';
import { shardCount, shardPk } from '../../engine/controller/rows/shard.ts';
import { decodeTopic, topicSkPrefix } from '../../engine/controller/rows/topic.ts';
import { unlessDamaged } from '../../engine/store-row-json.ts';
import { partitionName } from './partition-name.ts';
import { allRows } from './storage-audit.ts';
import type { Supervisor } from './supervisor.ts';
import type { World } from './world.ts';

const lookMs = 100;
/** Changes take a moment to arrive, and lost ones are read again. */
const heardMsMax = 2000;

/**
 * Lasting errors are reported. The sentence contains the row, so that a row that changes meanwhile counts as another
 * error.
 */
export async function watchCatalogues(world: World, supervisor: Supervisor): Promise<void> {
  const { loop, history } = world;
  const untilMs = loop.nowMs + heardMsMax;
  let wrong = await differences(world, supervisor);
  while (wrong.length > 0 && loop.nowMs < untilMs) {
    await loop.run(loop.nowMs + lookMs);
    const still = new Set(await differences(world, supervisor));
    wrong = wrong.filter((what) => still.has(what));
  }
  for (const what of wrong) history.add({ kind: 'stuck', what });
}

interface Facts {
  /** Topic ids by name. */
  readonly topics: ReadonlyMap<string, string>;
  readonly places: ReadonlyMap<string, string>;
  readonly sessions: ReadonlyMap<string, string>;
}

async function differences(world: World, supervisor: Supervisor): Promise<string[]> {
  const stored = await storedFacts(world);
  const wrong: string[] = [];
  const compare = (name: string, catalogue: StoreCatalogue): void => {
    const known = knownFacts(catalogue);
    for (const kind of ['topics', 'places', 'sessions'] as const) {
      const keys = new Set([...stored[kind].keys(), ...known[kind].keys()]);
      for (const key of keys) {
        const [is, has] = [stored[kind].get(key), known[kind].get(key)];
        if (is !== has) wrong.push(`${name} takes ${key} for ${has ?? 'nothing'}, and the rows say ${is ?? 'nothing'}`);
      }
    }
  };
  for (const { process, catalogue } of supervisor.parents) if (process.isRunning) compare(process.name, catalogue);
  for (const { process, catalogue } of supervisor.brokers()) {
    if (process.isRunning && catalogue) compare(process.name, catalogue);
  }
  return wrong;
}

async function storedFacts(world: World): Promise<Facts> {
  const topics = new Map<string, string>();
  const places = new Map<string, string>();
  for (let shard = 0; shard < shardCount; shard++) {
    const rows = await allRows(world, shardPk(shard));
    const known = new Map<string, number>();
    for (const row of rows) {
      if (!row.sk.startsWith(topicSkPrefix)) continue;
      const { name, topicId, partitions } = decodeTopic(row);
      topics.set(name, partitionName(topicId, partitions));
      known.set(topicId, partitions);
    }
    for (const row of rows) {
      if (!row.sk.startsWith(placementSkPrefix)) continue;
      const { topicId, partitions } = decodePlacement(row);
      for (const [index, { brokerId, leaderEpoch }] of partitions.entries())
        if (index < (known.get(topicId) ?? 0)) places.set(partitionName(topicId, index), `${brokerId}@${leaderEpoch}`);
    }
  }
  const sessions = new Map<string, string>();
  for (const row of await allRows(world, brokerSessionsPk)) {
    const session = unlessDamaged(row, decodeBrokerSession);
    sessions.set(`broker ${row.sk}`, session ? `${session.state} in session ${session.epoch}` : 'damaged');
  }
  return { topics, places, sessions };
}

function knownFacts(catalogue: StoreCatalogue): Facts {
  const topics = new Map<string, string>();
  const places = new Map<string, string>();
  for (const { name, topicId, partitions } of catalogue.all()) {
    topics.set(name, partitionName(topicId, partitions.length));
    for (const { index, brokerId, leaderEpoch } of partitions)
      if (leaderEpoch >= 0) places.set(partitionName(topicId, index), `${brokerId}@${leaderEpoch}`);
  }
  const sessions = new Map<string, string>();
  for (const { brokerId, epoch, state } of catalogue.brokers())
    sessions.set(`broker ${brokerId}`, `${state} in session ${epoch}`);
  return { topics, places, sessions };
}
