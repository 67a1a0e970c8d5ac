/**
 * Message shapes as values. One schema describes all versions of a message; one TypeScript type is inferred from it, and
 * everything else (decoder, encoder, rewriter, defaults, interpreter, arbitraries for tests) is derived from it.
 *
 * The rules are those of Apache Kafka's message JSON: a field that is absent in a version has its default; encoding a
 * non-default value into a version that lacks the field is an error unless the field is `ignorable`.
 *
 * Every string, uuid and bytes field names its entity. So tenant rewriting is generated from the schemas, and a field that
 * nobody thought about cannot exist.
 */
import { zeroUuid, type Uuid } from '../kernel/uuid.ts';

/** What a value stands for. 'plain' means: reviewed, and safe to pass unchanged between tenants and brokers. */
export type Entity =
  | 'topic'
  | 'topicId'
  | 'group'
  | 'txn'
  | 'producerId'
  /** Id of a broker. Tenants see virtual ids. */
  | 'node'
  /** Host name or address of a broker or a client; never shown to another tenant. */
  | 'address'
  /** Rack of a broker or a client; a zone label. */
  | 'rack'
  | 'clusterId'
  /** Directory on a broker's disk. */
  | 'path'
  /** Text for people; it may quote names. */
  | 'errorText'
  /** A group, a transactional id or a share key, depending on the request's keyType. */
  | 'coordinatorKey'
  /** Name of a topic, group, broker…, depending on the resourceType beside it. */
  | 'resource'
  /** Bytes of another format that may hold topic names: the consumer protocol's subscription and assignment. */
  | 'opaque'
  | 'records'
  /** Credentials. Never logged, never forwarded. */
  | 'secret'
  | 'principal'
  | 'plain';

export type IntegerKind = 'int8' | 'int16' | 'uint16' | 'int32' | 'int64';
export type Kind =
  | IntegerKind
  | 'float64'
  | 'bool'
  | 'string'
  | 'uuid'
  | 'bytes'
  | 'records'
  /** Record batches in several pieces, with one length on the wire. */
  | 'runs'
  /** A struct with fields of its own. */
  | 'struct'
  /** An array of structs, or of elements of one field's type. */
  | 'array';

/**
 * Refused as malformed; taken as the nearest end (Infinity, or the smallest safe integer); or kept, as a bigint. The
 * largest int64, a Kafka sentinel, is Infinity unless it is kept.
 */
export type Beyond = 'refused' | 'saturates' | 'kept';

export interface Field<T = unknown> {
  readonly kind: Kind;
  /** First and last version that has the field. */
  readonly since: number;
  readonly until: number;
  /** First version in which null is allowed; Infinity when none. */
  readonly nullable: number;
  /** Set when the field is in its struct's tagged section, in every version that has it. */
  readonly tag: number | undefined;
  /** The value when absent. It is shared: never hand it out when it is an array or object (see make.ts). */
  readonly default: T;
  readonly ignorable: boolean;
  /** For an int64: what becomes of values beyond 2^53. */
  readonly beyond: Beyond;
  readonly entity: Entity | undefined;
  /** For a struct, or an array of structs. */
  readonly fields: Fields | undefined;
  /** For an array of anything else. */
  readonly element: Field | undefined;
}

export interface Fields {
  readonly [name: string]: Field;
}

/** A request or response body. */
export interface Message<F extends Fields = Fields> {
  /** The name in Apache Kafka, for example 'ProduceRequest'. */
  readonly name: string;
  readonly key: number;
  readonly min: number;
  readonly max: number;
  /** First version with compact lengths and tagged fields; Infinity when none. */
  readonly flexible: number;
  readonly fields: F;
}

export type Values<F extends Fields> = { -readonly [K in keyof F]: F[K]['default'] };

/** The one type of a message in all its versions. */
export type Infer<M extends Message> = Values<M['fields']>;

interface Options {
  readonly since?: number;
  readonly until?: number;
  /** True: in every version of the field. A number: from that version on. */
  readonly nullable?: true | number;
  readonly tag?: number;
  readonly default?: unknown;
  readonly ignorable?: boolean;
}

type Allows<O, T> = O extends { readonly nullable: true | number } ? T | null : T;

interface IntegerOptions extends Omit<Options, 'nullable'> {
  readonly default?: number;
  readonly entity?: 'node' | 'producerId';
}

interface Int64Options extends IntegerOptions {
  readonly saturates?: boolean;
}

interface BoolOptions extends Omit<Options, 'nullable'> {
  readonly default?: boolean;
}

interface TextOptions extends Options {
  readonly default?: string | null;
}

interface NullOptions extends Options {
  readonly default?: null;
}

function field<T>(
  kind: Kind,
  options: Options,
  zero: unknown,
  more: { entity?: Entity | undefined; fields?: Fields; element?: Field; beyond?: Beyond } = {},
): Field<T> {
  const since = options.since ?? 0;
  return {
    kind,
    since,
    until: options.until ?? Infinity,
    nullable: options.nullable === true ? since : (options.nullable ?? Infinity),
    tag: options.tag,
    default: (options.default === undefined ? zero : options.default) as T,
    ignorable: options.ignorable ?? false,
    beyond: more.beyond ?? 'refused',
    entity: more.entity,
    fields: more.fields,
    element: more.element,
  };
}

const integer =
  (kind: IntegerKind) =>
  (options: IntegerOptions = {}): Field<number> =>
    field(kind, options, 0, { entity: options.entity });

export const int8 = integer('int8');
export const int16 = integer('int16');
export const uint16 = integer('uint16');
export const int32 = integer('int32');
/**
 * A number. A value beyond 2^53 is refused, except for the largest int64, a Kafka sentinel, which becomes Infinity. Where
 * a request's value is compared and never stored or sent back, the field `saturates` instead.
 */
export const int64 = ({ saturates = false, ...options }: Int64Options = {}): Field<number> =>
  field('int64', options, 0, { entity: options.entity, beyond: saturates ? 'saturates' : 'refused' });

/** For a value that is stored and given back, and may be any: a bigint beyond 2^53. */
export const exactInt64 = (options: IntegerOptions = {}): Field<number | bigint> =>
  field('int64', options, 0, { entity: options.entity, beyond: 'kept' });

export const float64 = (options: Omit<IntegerOptions, 'entity'> = {}): Field<number> => field('float64', options, 0);

export const bool = (options: BoolOptions = {}): Field<boolean> => field('bool', options, false);

export const string = <const O extends TextOptions = {}>(entity: Entity, options?: O): Field<Allows<O, string>> =>
  field('string', options ?? {}, '', { entity });

export const uuid = (entity: Entity, options: Omit<TextOptions, 'nullable'> = {}): Field<Uuid> =>
  field('uuid', options, zeroUuid, { entity });

/** Decoded as a view of the frame. */
export const bytes = <const O extends NullOptions = {}>(entity: Entity, options?: O): Field<Allows<O, Uint8Array>> =>
  field('bytes', options ?? {}, Buffer.alloc(0), { entity });

/** Record batches: a view of the frame when decoded, passed on without a copy when encoded. */
export const records = (options: NullOptions = {}): Field<Uint8Array | null> =>
  field('records', { nullable: true, ...options }, null, { entity: 'records' });

/** Record batches from several buffers: encoded one after another without a copy, decoded as one view. */
export const runs = (options: NullOptions = {}): Field<readonly Uint8Array[] | null> =>
  field('runs', { nullable: true, ...options }, null, { entity: 'records' });

export const struct = <F extends Fields, const O extends NullOptions = {}>(
  fields: F,
  options?: O,
): Field<Allows<O, Values<F>>> => field('struct', options ?? {}, defaultsOf(fields), { fields });

/** An array of structs. */
export const structs = <F extends Fields, const O extends NullOptions = {}>(
  fields: F,
  options?: O,
): Field<Allows<O, Values<F>[]>> => field('array', options ?? {}, [], { fields });

/** An array of anything but structs. */
export const array = <T, const O extends NullOptions = {}>(element: Field<T>, options?: O): Field<Allows<O, T[]>> =>
  field('array', options ?? {}, [], { element, entity: element.entity });

/** `versions` is for example '3-13' or '0'; `flexible` is for example '9+' or 'none'. */
export function message<F extends Fields>(
  name: string,
  key: number,
  versions: string,
  flexible: `${number}+` | 'none',
  fields: F,
): Message<F> {
  const [min, max] = versions.split('-').map(Number);
  return {
    name,
    key,
    min: min!,
    max: max ?? min!,
    flexible: flexible === 'none' ? Infinity : parseInt(flexible),
    fields,
  };
}

function defaultsOf(fields: Fields): unknown {
  return Object.fromEntries(Object.entries(fields).map(([name, each]) => [name, each.default]));
}

export function isPresent(field: Field, version: number): boolean {
  return version >= field.since && version <= field.until;
}

export function isNullable(field: Field, version: number): boolean {
  return version >= field.nullable;
}
