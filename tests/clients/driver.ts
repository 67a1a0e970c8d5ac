/** The calls that the suite makes to a client. A call that a client lacks is absent, and gets no test. */
import type { Access } from './targets.ts';

export const compressions = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;
export type Compression = (typeof compressions)[number];

export interface KeyedValue {
  readonly key: string;
  readonly value: string;
}

export interface ReadRecord {
  readonly partition: number;
  readonly offset: number;
  readonly timestampMs: number;
  readonly value: string;
}

export interface Produce {
  readonly topic: string;
  readonly records: readonly KeyedValue[];
  readonly compression: Compression;
  readonly idempotent: boolean;
}

interface Read {
  readonly topic: string;
  /** How many records there are to read: some clients stop at a number, not at the end. */
  readonly count: number;
  /** Absent: from the start. */
  readonly sinceMs?: number;
}

export interface Join {
  readonly group: string;
  readonly topic: string;
}

/** A member of a group, as its process tells of it. */
export interface Member {
  readonly isRunning: boolean;
  /** Partitions it has at this moment. */
  readonly assigned: readonly number[];
  readonly records: readonly { readonly partition: number; readonly offset: number; readonly value: string }[];
  readonly errors: readonly string[];
  kill(): Promise<void>;
  /** Lets it leave the group in its own way; an error when it does not end well. */
  leave(): Promise<void>;
}

interface GroupFacts {
  /** In small letters. */
  readonly state: string;
  readonly members: number;
}

export interface ClientDriver {
  readonly compressions: readonly Compression[];
  produce(at: Access, produce: Produce): Promise<void>;
  read(at: Access, read: Read): Promise<ReadRecord[]>;
  member(at: Access, join: Join): Member;
  /** In a group: reads `count` records, commits, leaves; returns their values. */
  take(at: Access, join: Join & { readonly count: number }): Promise<string[]>;
  readonly createTopic?: (at: Access, topic: string, partitions: number) => Promise<void>;
  readonly addPartitions?: (at: Access, topic: string, partitions: number) => Promise<void>;
  readonly configs?: (at: Access, topic: string) => Promise<ReadonlyMap<string, string>>;
  readonly setConfig?: (at: Access, topic: string, name: string, value: string) => Promise<void>;
  /** Deletes those with offsets below `before`. */
  readonly deleteRecords?: (at: Access, topic: string, partition: number, before: number) => Promise<void>;
  readonly topics?: (at: Access) => Promise<string[]>;
  /** Leaders by partition. */
  readonly describeTopic?: (at: Access, topic: string) => Promise<ReadonlyMap<number, number>>;
  readonly groups?: (at: Access) => Promise<string[]>;
  readonly describeGroup?: (at: Access, group: string) => Promise<GroupFacts>;
  /** Committed offsets by partition. */
  readonly committed?: (at: Access, join: Join) => Promise<ReadonlyMap<number, number>>;
  readonly deleteGroup?: (at: Access, group: string) => Promise<void>;
  readonly deleteTopic?: (at: Access, topic: string) => Promise<void>;
}
