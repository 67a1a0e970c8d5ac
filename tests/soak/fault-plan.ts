/**
 * Which faults a seed draws, in which order and how far apart. Whom they hit is drawn as a rank among those that serve at
 * that moment, because which brokers those are is up to the machine.
 */
import { below, type Random } from '../../engine/kernel/random.ts';

export type Fault =
  /** SIGKILL of brokers by rank. */
  | { readonly kind: 'kill-broker'; readonly rank: number }
  | { readonly kind: 'kill-two'; readonly rank: number; readonly otherRank: number }
  | { readonly kind: 'kill-zone'; readonly rank: number }
  /** Another dies while the first is being recovered. */
  | { readonly kind: 'kill-in-recovery'; readonly rank: number; readonly otherRank: number; readonly afterMs: number }
  /** The replacement dies as soon as there is one. */
  | { readonly kind: 'kill-replacement'; readonly rank: number }
  | { readonly kind: 'hang-broker'; readonly rank: number; readonly forMs: number }
  | { readonly kind: 'kill-parent' }
  | { readonly kind: 'hang-parent'; readonly forMs: number }
  /** Planned, by the control plane; counted apart. */
  | { readonly kind: 'restart'; readonly rank: number }
  | { readonly kind: 'drain'; readonly rank: number; readonly forMs: number };

export type FaultKind = Fault['kind'];

export function isPlanned({ kind }: Fault): boolean {
  return kind === 'restart' || kind === 'drain';
}

export interface PlannedFault {
  readonly fault: Fault;
  /** From the last one, when that is done. */
  readonly pauseMs: number;
}

const shares: readonly (readonly [FaultKind, number])[] = [
  ['kill-broker', 34],
  ['kill-two', 10],
  ['kill-zone', 9],
  ['kill-in-recovery', 10],
  ['kill-replacement', 5],
  ['hang-broker', 8],
  ['kill-parent', 5],
  ['hang-parent', 4],
  ['restart', 9],
  ['drain', 6],
];
const sharesTotal = shares.reduce((sum, [, share]) => sum + share, 0);
const ranks = 1024;
const hangMsMin = 100;
/** Longer than a lease: a broker that sleeps this long is replaced, and wakes up as a zombie if at all. */
const hangMsMax = 5000;
const parentHangMsMax = 1500;
const recoveryMsMax = 300;
const drainMsMax = 1500;

/** The first `kills` faults that end or stop a process, with what is planned in between. */
export function* planFaults(random: Random, kills: number, pauseMsMax: number): Generator<PlannedFault> {
  for (let count = 0; count < kills; ) {
    const fault = drawFault(random);
    if (!isPlanned(fault)) count++;
    // The square: many faults fall into the wake of the one before, some into quiet.
    const part = below(random, 1000) / 1000;
    yield { fault, pauseMs: Math.round(pauseMsMax * part * part) };
  }
}

function drawFault(random: Random): Fault {
  let at = below(random, sharesTotal);
  const [kind] = shares.find(([, share]) => (at -= share) < 0)!;
  const rank = below(random, ranks);
  switch (kind) {
    case 'kill-two':
      return { kind, rank, otherRank: below(random, ranks) };
    case 'kill-in-recovery':
      return { kind, rank, otherRank: below(random, ranks), afterMs: below(random, recoveryMsMax) };
    case 'hang-broker':
      return { kind, rank, forMs: hangMsMin + below(random, hangMsMax) };
    case 'hang-parent':
      return { kind, forMs: hangMsMin + below(random, parentHangMsMax) };
    case 'drain':
      return { kind, rank, forMs: below(random, drainMsMax) };
    case 'kill-parent':
      return { kind };
    default:
      return { kind, rank };
  }
}
