/**
 * A world's faults, drawn from its seed before it begins, so that a failing run can be repeated with fewer faults and
 * shrunk to those that matter.
 */
import { below, type Random } from '../../engine/kernel/random.ts';

export type FaultKind =
  | 'kill'
  | 'kill-two'
  | 'hang'
  | 'orphan-stall'
  | 'late-remap'
  | 'end-late'
  | 'move-cut'
  | 'move-late'
  | 'move-unheard'
  | 'twin-start'
  | 'wake-at-fence'
  | 'repeat-unsynced'
  | 'new-file-power'
  | 'drop-power'
  | 'full-kill'
  | 'fault-power'
  | 'cut-kill'
  | 'rush-kill'
  | 'fresh-kill'
  | 'crowd'
  | 'two-recoveries'
  | 'full-move'
  | 'full-drain'
  | 'left-move'
  | 'shared-file'
  | 'late-frame'
  | 'late-place'
  | 'answers-lost'
  | 'told-power'
  | 'slow-delete'
  | 'go-over'
  | 'refused-parts'
  | 'stranded-batches'
  | 'earlier-volume'
  | 'unheard-growth'
  | 'asked-asleep'
  | 'keep-meanwhile'
  | 'missed-twice'
  | 'deleted-kill'
  | 'zone-loss'
  | 'zone-power'
  | 'power'
  | 'parent-kill'
  | 'parent-hang'
  | 'controller-kill'
  | 'controller-hang'
  | 'controller-stop'
  | 'controllers-kill'
  | 'all-stop'
  | 'store-slow'
  | 'store-throttled'
  | 'store-away'
  | 'store-read-only'
  | 'store-reply-lost'
  | 'store-change-lost'
  | 'store-cut'
  | 'store-late'
  | 'net-cut'
  | 'net-reset'
  | 'net-slow'
  | 'disk-slow'
  | 'disk-fault'
  | 'disk-full'
  | 'disk-taken'
  | 'disk-unreadable'
  | 'disk-keeps'
  | 'bucket-away'
  | 'bucket-deaf'
  | 'bucket-slow'
  | 'bucket-mute'
  | 'bucket-full'
  | 'move-away'
  | 'drain'
  | 'restart'
  | 'scale'
  | 'evacuate'
  | 'replace'
  | 'topic-create'
  | 'topic-delete'
  | 'topic-again'
  | 'delete-dying'
  | 'stale-look'
  | 'grow'
  | 'delete-records'
  | 'wall-jump'
  | 'rot'
  | 'row-rot';

export interface Fault {
  readonly kind: FaultKind;
  /** After the clients began. */
  readonly atMs: number;
  readonly durationMs: number;
  /** Which broker, zone, topic: taken modulo the number that exist. */
  readonly target: number;
  readonly value: number;
}

type Mix = Readonly<Partial<Record<FaultKind, number>>>;

const kills: Mix = { kill: 6, 'kill-two': 3, 'zone-loss': 1, 'disk-slow': 1, 'fresh-kill': 3 };
const hangs: Mix = { hang: 6, 'parent-hang': 2, kill: 1, 'net-slow': 1, 'wall-jump': 1 };
const power: Mix = {
  'zone-power': 4,
  power: 2,
  kill: 1,
  'disk-fault': 2,
  'disk-full': 2,
  'disk-slow': 2,
  'repeat-unsynced': 2,
  'new-file-power': 4,
  'drop-power': 3,
  'full-kill': 2,
};
const store: Mix = {
  'store-slow': 2,
  'store-throttled': 2,
  'store-away': 2,
  'store-reply-lost': 4,
  'store-change-lost': 3,
  'store-cut': 3,
  kill: 3,
  restart: 2,
  'topic-create': 1,
  'topic-delete': 1,
};
const network: Mix = { 'net-cut': 4, 'net-reset': 4, 'net-slow': 2, kill: 2, hang: 1, restart: 1 };
const planned: Mix = {
  'move-cut': 3,
  'move-unheard': 3,
  'move-late': 1,
  'left-move': 2,
  drain: 3,
  restart: 4,
  kill: 2,
  'net-reset': 1,
  'disk-slow': 1,
  hang: 1,
};
const topics: Mix = {
  'topic-create': 3,
  'topic-delete': 3,
  grow: 2,
  'slow-delete': 2,
  'delete-records': 3,
  kill: 3,
  restart: 1,
  'wall-jump': 1,
};
const parents: Mix = {
  'parent-kill': 4,
  'all-stop': 3,
  kill: 2,
  hang: 3,
  'parent-hang': 1,
  power: 1,
  'store-reply-lost': 1,
};

/** A stopped broker does not see its parent die, and wakes beside its own successor. */
const orphans: Mix = {
  hang: 4,
  'orphan-stall': 4,
  'wake-at-fence': 3,
  'end-late': 2,
  'parent-kill': 4,
  'store-slow': 1,
  'disk-slow': 1,
};

/** Requests sent at one epoch arrive at the next. */
const crossing: Mix = { 'net-cut': 4, 'net-slow': 3, restart: 4, drain: 4, 'net-reset': 1, hang: 2 };

/** A process's writes, and what it hears of them, are so late that others have acted meanwhile. */
const late: Mix = {
  'late-place': 4,
  'late-remap': 5,
  'end-late': 3,
  'move-late': 2,
  'store-late': 5,
  kill: 3,
  hang: 1,
  'controller-kill': 1,
  'controller-hang': 3,
  restart: 2,
  drain: 2,
  'topic-create': 1,
};

/** Shards change hands while brokers die and topics come and go. */
const controllers: Mix = {
  'two-recoveries': 3,
  'controller-kill': 4,
  'controller-hang': 4,
  'controller-stop': 3,
  'move-cut': 3,
  'controllers-kill': 1,
  kill: 5,
  hang: 1,
  'store-cut': 2,
  'store-slow': 1,
  'store-reply-lost': 1,
  'store-change-lost': 1,
  restart: 2,
  drain: 1,
  'topic-create': 2,
  'topic-delete': 1,
  grow: 2,
  power: 1,
};

/** A slot gets two processes: the controller that started the first died before it knew. */
const twins: Mix = { 'twin-start': 3, 'controller-kill': 2, 'controller-hang': 1, kill: 2, 'disk-slow': 1 };

/** The fleet changes its size and leaves zones, while the processes that carry this out die too. */
const fleet: Mix = {
  scale: 5,
  evacuate: 3,
  'late-place': 3,
  replace: 1,
  kill: 3,
  restart: 1,
  'parent-kill': 1,
  'store-reply-lost': 1,
  'net-reset': 1,
  'topic-create': 2,
  grow: 1,
};

/** Coordinators move and die while members come and go. */
const groups: Mix = {
  kill: 5,
  'rush-kill': 4,
  'told-power': 3,
  hang: 1,
  'net-reset': 2,
  'move-unheard': 1,
  restart: 3,
  drain: 2,
  'parent-kill': 2,
  power: 1,
  grow: 1,
};

/** Bits flip in files at rest, and the brokers that read them again die, move and restart. */
const rot: Mix = { rot: 8, kill: 3, restart: 3, drain: 2, 'delete-records': 1, 'parent-kill': 1 };

/** Rows of the metadata store decay, and whoever reads them dies, moves and restarts. */
const decay: Mix = {
  'row-rot': 14,
  kill: 3,
  restart: 2,
  drain: 2,
  'parent-kill': 2,
  'controller-kill': 1,
  'delete-records': 1,
  grow: 1,
};

/** Disks have no room for a while, for producers and coordinators alike. */
const full: Mix = {
  'disk-taken': 8,
  'full-drain': 6,
  crowd: 5,
  'disk-full': 1,
  kill: 2,
  restart: 2,
  drain: 1,
  'net-reset': 1,
  power: 1,
};

/** Clients are far away, requests are held only briefly, and producers restart while no broker serves. */
const far: Mix = { 'fresh-kill': 6, kill: 2, restart: 2, 'net-reset': 1, 'parent-kill': 1 };

/** Brokers store all batches that a producer has in flight, and no answer arrives: the producer sends them again. */
const repeats: Mix = { 'answers-lost': 8, kill: 2, restart: 1, 'net-reset': 1, 'parent-kill': 1 };

/** Clients are at two gateways at once, which hear of the same brokers, placements and records, each in its own time. */
const gateways: Mix = {
  'go-over': 6,
  'parent-kill': 2,
  'parent-hang': 1,
  'delete-records': 3,
  'late-frame': 2,
  'answers-lost': 2,
  'store-change-lost': 2,
  kill: 3,
  restart: 2,
  drain: 2,
  'net-reset': 2,
  'topic-create': 1,
  'topic-delete': 1,
};

/** Scripts and states that the other mixes seldom or never reach. */
const rare: Mix = {
  'full-kill': 5,
  'move-late': 4,
  'fault-power': 3,
  'cut-kill': 4,
  'full-move': 4,
  'shared-file': 4,
  'late-frame': 6,
  'disk-unreadable': 2,
  'disk-keeps': 4,
  'store-read-only': 2,
  'delete-records': 3,
  'parent-kill': 2,
  kill: 2,
  restart: 1,
};

/**
 * What no other mix reaches: see seldom-scripts.ts. In its worlds limits that are elsewhere hundreds are one to three.
 */
const seldom: Mix = {
  'refused-parts': 5,
  'stranded-batches': 4,
  'earlier-volume': 4,
  'unheard-growth': 4,
  'asked-asleep': 4,
  'late-frame': 3,
  'topic-create': 2,
  'topic-delete': 2,
  grow: 1,
  kill: 2,
  restart: 2,
  drain: 2,
};

/**
 * A process has not heard of something, and decides or answers all the same: see missed-scripts.ts. Some controllers
 * start with fewer brokers.
 */
const missed: Mix = {
  'keep-meanwhile': 5,
  'missed-twice': 5,
  'deleted-kill': 5,
  kill: 3,
  'controller-kill': 2,
  'store-late': 1,
  restart: 2,
  drain: 2,
};

/**
 * What is gone comes back under its name, topics and groups alike, and who has not heard of it serves all the same; see
 * again-scripts.ts. Half of the clients of half of its worlds send records that claim to be old.
 */
const again: Mix = {
  'topic-again': 8,
  'delete-dying': 4,
  'stale-look': 3,
  'topic-create': 1,
  'delete-records': 1,
  'store-change-lost': 2,
  'store-late': 1,
  kill: 3,
  restart: 2,
  drain: 1,
  'parent-kill': 1,
};

/** Added to the mix of every world whose segments are in a bucket. */
const bucket: Mix = {
  'bucket-away': 2,
  'bucket-deaf': 3,
  'bucket-slow': 1,
  'bucket-mute': 2,
  'bucket-full': 2,
  'move-away': 2,
};

/** What 'mixed' draws from: two of them, or all. */
const mixed: Readonly<Record<string, Mix>> = {
  kills,
  hangs,
  power,
  store,
  network,
  planned,
  topics,
  parents,
  orphans,
  crossing,
  controllers,
  late,
  twins,
};

/** By name. */
export const scenarios: Readonly<Record<string, Mix>> = {
  ...mixed,
  fleet,
  groups,
  rot,
  rare,
  full,
  far,
  repeats,
  gateways,
  seldom,
  missed,
  decay,
  again,
};

/** Faults that lose what was written and not synced, or need a sync to happen. */
const losesCache: readonly FaultKind[] = [
  'power',
  'zone-power',
  'new-file-power',
  'drop-power',
  'fault-power',
  'told-power',
  'repeat-unsynced',
  'disk-fault',
  'disk-keeps',
  // Where nothing is proven to be on the disk, damage to the log looks like its end (docs/durability.md).
  'rot',
];

/** Whether every fault of the mix leaves the page cache as it is: processes die, and the machine does not. */
export function losesNoCache(scenario: string): boolean {
  const mix = scenarios[scenario];
  return mix !== undefined && losesCache.every((kind) => mix[kind] === undefined);
}

export function drawMix(random: Random, scenario: string): Mix {
  if (scenario !== 'mixed') return scenarios[scenario]!;
  const all = Object.values(mixed);
  const chosen = below(random, 3) === 0 ? all : [all[below(random, all.length)]!, all[below(random, all.length)]!];
  const mix: Partial<Record<FaultKind, number>> = {};
  for (const one of chosen) {
    for (const [kind, weight] of Object.entries(one)) {
      mix[kind as FaultKind] = (mix[kind as FaultKind] ?? 0) + weight;
    }
  }
  return mix;
}

/** Faults come in bursts: what breaks systems is the second one during the recovery from the first. */
export function drawFaults(random: Random, scenario: string, count: number, hasBucket: boolean): Fault[] {
  const drawn = drawMix(random, scenario);
  const mix = Object.entries(hasBucket ? { ...drawn, ...bucket } : drawn) as [FaultKind, number][];
  const total = mix.reduce((sum, [, weight]) => sum + weight, 0);
  const faults: Fault[] = [];
  let atMs = 300;
  for (let i = 0; i < count; i++) {
    let at = below(random, total);
    const [kind] = mix.find(([, weight]) => (at -= weight) < 0)!;
    const isBurst = below(random, 2) === 0;
    atMs += isBurst ? below(random, 60) : 100 + below(random, 1000);
    const durationMs = below(random, 3) === 0 ? 1000 + below(random, 4000) : 50 + below(random, 900);
    faults.push({ kind, atMs, durationMs, target: below(random, 1000), value: below(random, 1000) });
  }
  return faults;
}
