/**
 * Everything that clients requested and were told, and what happened to the world meanwhile, in the order in which it
 * happened. The checker judges it; its hash proves that a seed repeats itself.
 */
import { createHash } from 'node:crypto';
import { Told, type ToldLog } from './told.ts';

/** Partition of one incarnation of a topic: 'name/partition/topic id'. */
export type PartitionName = string;

/** What a producer promises about its values, and so what the log must fulfil. */
export type ProducerKind =
  /** Kafka's idempotent producer: repeats until it knows; every value once, in order. */
  | 'idempotent'
  /** Sends once; a value without an answer may or may not be there. */
  | 'plain'
  /** Records through the gateway's own producer; as plain, seen from outside. */
  | 'gateway';

export interface ReadRecord {
  readonly offset: number;
  readonly value: string;
  readonly leaderEpoch: number;
  /** Part of the answer to a question about what remains. */
  readonly timestampMs?: number;
}

/** A query for a record by time: the first at or after a moment, or the one with the latest time. */
export type AskedTime = number | 'latest';

export interface BatchSize {
  readonly baseOffset: number;
  readonly bytes: number;
}

export type Entry =
  | {
      readonly kind: 'send';
      readonly producer: string;
      readonly as: ProducerKind;
      readonly partition: PartitionName;
      readonly values: readonly string[];
      /** How much older than this moment they claim to be, if they do. */
      readonly ageMs?: number;
    }
  | {
      readonly kind: 'sent';
      readonly producer: string;
      readonly partition: PartitionName;
      readonly values: readonly string[];
      /** Kafka error code, or -1: no answer. */
      readonly code: number;
      readonly offset: number;
      /** Where the log began, as the answer says. */
      readonly startOffset?: number;
      /** Every value before these is acknowledged. */
      readonly isNext: boolean;
      /** The time of this attempt of a producer with sequences. */
      readonly leftMs?: number;
    }
  | {
      readonly kind: 'read';
      readonly consumer: string;
      /** Where there are several gateways: which one. */
      readonly through?: number;
      /** The answer itself says that more may be there: it does not report the owner's state. */
      readonly isStale?: boolean;
      readonly partition: PartitionName;
      readonly from: number;
      readonly code: number;
      readonly highWatermark: number;
      readonly startOffset: number;
      readonly records: readonly ReadRecord[];
      /** The batches that hold them, in full; reported when the question is how much is left. */
      readonly sizes?: readonly BatchSize[];
      /** What some client knew of the log when the request left: the answer must not know less. */
      readonly asked: ToldLog;
    }
  /** A client that reads nothing was told where a log ends or begins. */
  | {
      readonly kind: 'bound';
      readonly partition: PartitionName;
      readonly which: 'end' | 'start';
      readonly offset: number;
      /** The epoch of the owner that said so, when it reported the end. */
      readonly leaderEpoch: number;
      readonly asked: ToldLog;
    }
  /** Or where an epoch of it ended, and the next began. */
  | {
      readonly kind: 'epoch-end';
      readonly partition: PartitionName;
      readonly epoch: number;
      readonly endOffset: number;
      readonly asked: ToldLog;
    }
  /** A client asked for a record by its time (ListOffsets); offset -1: there is no such record. */
  | {
      readonly kind: 'time';
      readonly partition: PartitionName;
      readonly time: AskedTime;
      readonly offset: number;
      readonly timestampMs: number;
      readonly asked: ToldLog;
    }
  /** A fetch was answered without an error, and with less than it asked for: it must have waited as long as it said. */
  | {
      readonly kind: 'poll';
      readonly consumer: string;
      readonly waitedMs: number;
      readonly maxWaitMs: number;
      readonly bytes: number;
      readonly minBytes: number;
    }
  /** The records' owner, not retention, deletes the records before `to`; -1: all existing records. */
  | { readonly kind: 'cutting'; readonly partition: PartitionName; readonly to: number }
  /** Records were deleted: from now on the log begins at `start`, or after it. */
  | {
      readonly kind: 'cut';
      readonly partition: PartitionName;
      readonly to: number;
      readonly start: number;
      readonly asked: ToldLog;
    }
  /** Or not, as the answer says. */
  | {
      readonly kind: 'uncut';
      readonly partition: PartitionName;
      readonly to: number;
      readonly code: number;
      readonly asked: ToldLog;
    }
  | { readonly kind: 'producer-id'; readonly id: number }
  /** A broker acknowledged a batch. */
  | {
      readonly kind: 'acked';
      readonly brokerId: number;
      readonly sessionEpoch: number;
      readonly partition: PartitionName;
      readonly leaderEpoch: number;
      /** The epoch at which the router sent the batch; -1 for a batch of the broker's own. */
      readonly sentEpoch: number;
      readonly offset: number;
      /** The session row says that the session is over. */
      readonly isFenced: boolean;
    }
  /** A broker whose session is fenced holds a valid lease. */
  | { readonly kind: 'overlap'; readonly brokerId: number; readonly sessionEpoch: number }
  /** A broker that runs, and whose renewals arrive, is to be killed because its lease has lapsed. */
  | { readonly kind: 'needless-kill'; readonly brokerId: number; readonly sessionEpoch: number }
  | { readonly kind: 'commit'; readonly group: string; readonly partition: PartitionName; readonly offset: number }
  | {
      readonly kind: 'committed';
      readonly group: string;
      readonly partition: PartitionName;
      readonly offset: number;
      readonly code: number;
      /** For a member: `known` is the latest generation that any client knew when the commit left. */
      readonly by?: { readonly member: string; readonly generation: number; readonly known: number };
    }
  /** A committed offset was deleted, up to this one. */
  | { readonly kind: 'forgotten'; readonly group: string; readonly partition: PartitionName; readonly offset: number }
  /**
   * Nobody knows whether it was deleted: with several gateways the deletion may come later, and after newer commits.
   */
  | { readonly kind: 'unforgotten'; readonly group: string; readonly partition: PartitionName }
  /** A member was given its part of a generation; `known` as above, when its join left. */
  | {
      readonly kind: 'joined';
      readonly group: string;
      readonly member: string;
      readonly generation: number;
      readonly known: number;
      /** Which of all distributions it is a part of; '' when the leader gave it none. */
      readonly plan?: string;
      readonly partitions: readonly PartitionName[];
    }
  | {
      readonly kind: 'position';
      readonly group: string;
      readonly partition: PartitionName;
      readonly offset: number;
      /** The highest commit that had been acknowledged when the question left; another may have been in flight. */
      readonly acked: number;
      /** The highest of those that had been deleted by then: none of them may return. */
      readonly gone?: number;
    }
  /** From now on bits may be flipped: unreadable records no longer count as lost, as long as the reader is told. */
  | { readonly kind: 'rot' }
  /** A flipped bit that is not reported. */
  | { readonly kind: 'unnoticed'; readonly what: string }
  | {
      readonly kind: 'topic';
      readonly partition: PartitionName;
      readonly isBounded: boolean;
      readonly keptBytes?: number;
      readonly keptMs?: number;
      /** Between two looks of retention at it. */
      readonly looksMs?: number;
      /** Whether only clients delete from it: then it never begins after what they asked for. */
      readonly isCutOnly?: boolean;
    }
  | { readonly kind: 'deleted'; readonly partition: PartitionName }
  /** Something that no world may do to the system: a broken invariant, damage where nothing was damaged. */
  | { readonly kind: 'bug'; readonly where: string; readonly what: string }
  /** Stored rows, files and logs that are inconsistent. */
  | { readonly kind: 'leak'; readonly what: string }
  | { readonly kind: 'stuck'; readonly what: string }
  /** A fetch that waits in a quiet world does not hear of new records. */
  | { readonly kind: 'unwoken'; readonly what: string }
  /** A fetch was answered with more than its limits allow. */
  | { readonly kind: 'overfed'; readonly what: string }
  /** A broker died in a quiet world without a cause. */
  | { readonly kind: 'died'; readonly what: string }
  /** A broker was reported empty, but still has what it had when it was to be emptied. */
  | { readonly kind: 'undrained'; readonly what: string }
  /** A partition was taken from a broker that serves it, or given to one that does not serve. */
  | { readonly kind: 'misplaced'; readonly what: string }
  /** A group begins another generation although no member joined or left. */
  | { readonly kind: 'unsettled'; readonly what: string }
  /** The wall clock jumped: from now on a record's age is not what its producer's sending tells. */
  | { readonly kind: 'clock-set' }
  | { readonly kind: 'fault'; readonly what: string }
  | { readonly kind: 'engine'; readonly what: string };

export type TimedEntry = Entry & { readonly atMs: number };

export class History {
  readonly entries: TimedEntry[] = [];
  readonly told: Told;
  readonly #nowMs: () => number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
    this.told = new Told(nowMs);
  }

  /** `gateway`: which of several reported it, if one did. */
  add(entry: Entry, gateway = 0): void {
    this.entries.push({ atMs: Math.round(this.#nowMs() * 1000) / 1000, ...entry });
    this.told.note(entry, gateway);
  }

  hash(): string {
    const hash = createHash('sha256');
    for (const entry of this.entries) hash.update(JSON.stringify(entry)).update('\n');
    return hash.digest('hex').slice(0, 16);
  }
}
