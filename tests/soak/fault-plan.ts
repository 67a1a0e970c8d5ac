/**
 * Which faults a seed draws, in which order and how far apart. Their target is drawn as a rank among the processes that
 * serve at that moment, because which brokers those are depends on the machine.
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
  | ApartFault
  /** Planned, by the control plane; counted apart. */
  | { readonly kind: 'restart'; readonly rank: number }
  | { readonly kind: 'drain'; readonly rank: number; readonly forMs: number };

/** For gateways and controllers that are separate processes, by rank among those that run. */
export type ApartFault =
  /** Started again at once. */
  | { readonly kind: 'kill-gateway'; readonly rank: number }
  | { readonly kind: 'hang-gateway'; readonly rank: number; readonly forMs: number; readonly inCommit: boolean }
  /** Started again after a while. */
  | { readonly kind: 'kill-controller'; readonly rank: number; readonly forMs: number }
  | { readonly kind: 'hang-controller'; readonly rank: number; readonly forMs: number; readonly inCommit: boolean }
  /**
   * In a quiet installation, where records must continue to flow; then a broker or a gateway dies before they are
   * started again.
   */
  | {
      readonly kind: 'no-controller';
      readonly rank: number;
      readonly forMs: number;
      readonly thenKill: 'broker' | 'gateway';
    }
  /** SIGSTOP of brokers while a process commits to the metadata store. */
  | {
      readonly kind: 'hang-in-commit';
      readonly rank: number;
      readonly who: 'one' | 'two' | 'zone' | 'all';
      readonly forMs: number;
    }
  | { readonly kind: 'kill-all' }
  | { readonly kind: 'kill-all-but-brokers' };

export type FaultKind = Fault['kind'];

export function isPlanned({ kind }: Fault): boolean {
  return kind === 'restart' || kind === 'drain';
}

export interface PlannedFault {
  readonly fault: Fault;
  /** Counted from the end of the previous fault. */
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
const apartShares: typeof shares = [
  ['kill-broker', 18],
  ['kill-two', 6],
  ['kill-zone', 5],
  ['kill-in-recovery', 6],
  ['kill-replacement', 4],
  ['hang-broker', 6],
  ['kill-gateway', 8],
  ['hang-gateway', 5],
  ['kill-controller', 12],
  ['hang-controller', 8],
  ['no-controller', 4],
  ['hang-in-commit', 8],
  ['kill-all', 3],
  ['kill-all-but-brokers', 3],
  ['restart', 5],
  ['drain', 3],
];
const ranks = 1024;
const hangMsMin = 100;
/** Longer than a lease: a broker that sleeps this long is replaced, and wakes up as a zombie if at all. */
const hangMsMax = 5000;
const parentHangMsMax = 1500;
const recoveryMsMax = 300;
/** Some are back before anybody has noticed. */
const awayMsMax = 3000;
const stoppedTogether = ['one', 'two', 'zone', 'all'] as const;
const drainMsMax = 1500;

/** The first `kills` faults that end or stop a process, with the planned operations between them. */
export function* planFaults(
  random: Random,
  kills: number,
  pauseMsMax: number,
  isApart = false,
): Generator<PlannedFault> {
  for (let count = 0; count < kills; ) {
    const fault = drawFault(random, isApart ? apartShares : shares);
    if (!isPlanned(fault)) count++;
    // The square makes many faults follow close on the one before, and some come after a quiet time.
    const part = below(random, 1000) / 1000;
    yield { fault, pauseMs: Math.round(pauseMsMax * part * part) };
  }
}

function drawFault(random: Random, drawn: typeof shares): Fault {
  const sharesTotal = drawn.reduce((sum, [, share]) => sum + share, 0);
  let at = below(random, sharesTotal);
  const [kind] = drawn.find(([, share]) => (at -= share) < 0)!;
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
    case 'hang-gateway':
      return { kind, rank, forMs: hangMsMin + below(random, parentHangMsMax), inCommit: below(random, 2) === 0 };
    case 'hang-controller':
      return { kind, rank, forMs: hangMsMin + below(random, hangMsMax), inCommit: below(random, 2) === 0 };
    case 'kill-controller':
      return { kind, rank, forMs: below(random, awayMsMax) };
    case 'no-controller':
      return { kind, rank, forMs: below(random, awayMsMax), thenKill: below(random, 2) === 0 ? 'broker' : 'gateway' };
    case 'hang-in-commit': {
      const who = stoppedTogether[below(random, stoppedTogether.length)]!;
      return { kind, rank, who, forMs: hangMsMin + below(random, hangMsMax) };
    }
    case 'kill-parent':
    case 'kill-all':
    case 'kill-all-but-brokers':
      return { kind };
    default:
      return { kind, rank };
  }
}
