/**
 * What is sent, as plain data that means the same to both sides: a name is written with `§` for the run's own prefix, and
 * what a server has made up (ids, generations, epochs of sessions) is a reference to the step that got it. So a step can
 * be printed, and sent again without the steps before it.
 */
import { apiByKey, type ApiKey } from '../../engine/protocol/apis.ts';
import { type Fields, isPresent } from '../../engine/protocol/schema.ts';

/** Stands for a value that each side has its own of, or `otherwise` where it has none. */
export interface Reference {
  readonly ref: string;
  readonly otherwise: string | number;
  /** Added to a number. */
  readonly plus?: number;
}

/** A record batch with a reference to its producer. */
export interface BatchPlan {
  readonly batch: {
    readonly records: readonly { readonly key: string | null; readonly value: string | null; readonly atMs: number }[];
    readonly producer?: { readonly id: Reference | number; readonly epoch: number; readonly sequence: number };
    /** Bytes of the batch to set after it is made, before its checksum. */
    readonly wounds?: readonly { readonly at: number; readonly bits: 8 | 16 | 32; readonly value: number }[];
    readonly fault?: 'crc' | 'cut' | 'twice' | 'empty';
  };
}

export interface AskStep {
  readonly kind: 'ask';
  readonly key: ApiKey;
  readonly version: number;
  /** `data`, or a member's own connection. */
  readonly connection: string;
  readonly body: unknown;
  /** Under which name what the answer brings is kept. */
  readonly keep?: string;
}

/** Members of one group join at once: the first alone begins the rebalance, the others answer it. */
export interface RebalanceStep {
  readonly kind: 'rebalance';
  readonly group: string;
  /** Whether the group has members that must come again before anybody is answered. */
  readonly waits: boolean;
  readonly joins: readonly AskStep[];
}

/** Followers ask first and wait; the leader brings the assignment. */
export interface SyncStep {
  readonly kind: 'sync';
  readonly group: string;
  readonly syncs: readonly AskStep[];
}

export type Step = AskStep | RebalanceStep | SyncStep;

export const prefixMark = '§';
/** Refers to a time before the run's begin, the same on both sides. */
export const startTime = 'start ms';
/** Times of records are drawn from so many ms on: what a server dates itself comes later than all of them. */
export const drawnTimesMs = 10_000;

export function isReference(value: unknown): value is Reference {
  return typeof value === 'object' && value !== null && 'ref' in value;
}

export function isBatchPlan(value: unknown): value is BatchPlan {
  return typeof value === 'object' && value !== null && 'batch' in value;
}

/** Without the fields that the version does not have: they would be refused by the encoder. */
export function fit(key: ApiKey, version: number, body: unknown): unknown {
  return fitFields(apiByKey.get(key)!.request.fields, version, body);
}

function fitFields(fields: Fields, version: number, body: unknown): unknown {
  if (body === null || body === undefined || isReference(body)) return body;
  if (Array.isArray(body)) return body.map((each) => fitFields(fields, version, each));
  return Object.fromEntries(
    Object.entries(body).flatMap(([name, value]) => {
      const field = fields[name];
      if (!field) throw new Error(`there is no field ${name}`);
      if (!isPresent(field, version)) return [];
      return [[name, field.fields ? fitFields(field.fields, version, value) : value]];
    }),
  );
}
