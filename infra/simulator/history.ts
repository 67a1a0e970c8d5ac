/**
 * Everything that clients asked and were told, and what happened to the world meanwhile, in the order in which it
 * happened. The checker judges it; its hash proves that a seed repeats itself.
 */
import { createHash } from 'node:crypto';
import { Told, type ToldLog } from './told.ts';

/** Partition of one incarnation of a topic: 'name/partition/topic id'. */
export type PartitionName = string;

/** What a producer promises about its values, and what may therefore be asked of the log. */
export type ProducerKind =
  /** Kafka's idempotent producer: repeats until it knows; every value once, in order. */
  | 'idempotent'
  /** Sends once; a value without an answer may be there or not. */
  | 'plain'
  /** Records through the gateway's own producer; as plain, seen from outside. */
  | 'gateway';

export interface ReadRecord {
  readonly offset: number;
  readonly value: string;
  readonly leaderEpoch: number;
  /** Told where it is asked what is left. */
  readonly timestampMs?: number;
}

/** A question for a record by its time: the first at or behind a moment, or the one that bears the latest time. */
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
      /** When this attempt of a producer with sequences left. */
      readonly leftMs?: number;
    }
  | {
      readonly kind: 'read';
      readonly consumer: string;
      /** Where there are several gateways: which one. */
      readonly through?: number;
      /** It says itself that more may be there: what it tells is not what the owner says. */
      readonly isStale?: boolean;
      readonly partition: PartitionName;
      readonly from: number;
      readonly code: number;
      readonly highWatermark: number;
      readonly startOffset: number;
      readonly records: readonly ReadRecord[];
      /** Of the batches in which they lie, in full; told where it is asked how much is left. */
      readonly sizes?: readonly BatchSize[];
      /** What some client had been told of the log when the question left: the answer must not know less. */
      readonly asked: ToldLog;
    }
  /** A client that reads nothing was told where a log ends or begins. */
  | {
      readonly kind: 'bound';
      readonly partition: PartitionName;
      readonly which: 'end' | 'start';
      readonly offset: number;
      /** Of the owner that said so, when it told the end. */
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
  /** A client asked for a record by its time (ListOffsets); offset -1: there is none. */
  | {
      readonly kind: 'time';
      readonly partition: PartitionName;
      readonly time: AskedTime;
      readonly offset: number;
      readonly timestampMs: number;
      readonly asked: ToldLog;
    }
  /** A fetch was answered without an error, and with less than it asked for: it has to have waited for as long as it said. */
  | {
      readonly kind: 'poll';
      readonly consumer: string;
      readonly waitedMs: number;
      readonly maxWaitMs: number;
      readonly bytes: number;
      readonly minBytes: number;
    }
  /** Records before `to` are to be deleted, by whom they belong to and not by retention; -1: all that there are. */
  | { readonly kind: 'cutting'; readonly partition: PartitionName; readonly to: number }
  /** Records were deleted: from here on the log begins at `start`, or behind it. */
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
      /** At which the router sent the batch; -1 for a batch of the broker's own. */
      readonly sentEpoch: number;
      readonly offset: number;
      /** The session row says that the session is over. */
      readonly isFenced: boolean;
    }
  /** A broker whose session is fenced holds a lease that is valid. */
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
      /** Of a member: `known` is the latest generation that anybody had been told of when the commit left. */
      readonly by?: { readonly member: string; readonly generation: number; readonly known: number };
    }
  /** A committed offset was deleted, up to this one. */
  | { readonly kind: 'forgotten'; readonly group: string; readonly partition: PartitionName; readonly offset: number }
  /** Whether it was deleted nobody knows: where several gateways are asked it may be so later, and behind commits that came since. */
  | { readonly kind: 'unforgotten'; readonly group: string; readonly partition: PartitionName }
  /** A member was told its part of a generation; `known` as above, when its join left. */
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
      /** The highest commit that had been acknowledged when the question left: another may have been under way. */
      readonly acked: number;
      /** The highest of those that had been deleted by then: none of them may come back. */
      readonly gone?: number;
    }
  /** From here on bits may be flipped: what cannot be read is no longer lost, as long as the reader is told. */
  | { readonly kind: 'rot' }
  /** A flipped bit that nobody speaks of. */
  | { readonly kind: 'unnoticed'; readonly what: string }
  | {
      readonly kind: 'topic';
      readonly partition: PartitionName;
      readonly isBounded: boolean;
      readonly keptBytes?: number;
      /** Whether only clients delete of it: it never begins behind what they asked for. */
      readonly isCutOnly?: boolean;
    }
  | { readonly kind: 'deleted'; readonly partition: PartitionName }
  /** Something that no world may do to the system: a broken invariant, damage where nothing was damaged. */
  | { readonly kind: 'bug'; readonly where: string; readonly what: string }
  /** Stored rows, files and logs that do not add up. */
  | { readonly kind: 'leak'; readonly what: string }
  | { readonly kind: 'stuck'; readonly what: string }
  /** A fetch that waits in a quiet world is not told of what has come. */
  | { readonly kind: 'unwoken'; readonly what: string }
  /** A fetch was answered with more than its limits allow. */
  | { readonly kind: 'overfed'; readonly what: string }
  /** A broker died of nothing in a quiet world. */
  | { readonly kind: 'died'; readonly what: string }
  /** A broker was said to be empty, and has still what it had when it was to be emptied. */
  | { readonly kind: 'undrained'; readonly what: string }
  /** A partition was taken from who serves it, or given to who does not. */
  | { readonly kind: 'misplaced'; readonly what: string }
  /** A group that nobody joined or left begins another generation. */
  | { readonly kind: 'unsettled'; readonly what: string }
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

  /** `gateway`: which of several told it, if one did. */
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
