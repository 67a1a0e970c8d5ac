/**
 * Commands that clients send, as JSON text: {"op": …, "id": …}. A command with an id is answered by ok or error with that
 * id.
 */
import { InvalidRequest } from '../../engine/kernel/failure.ts';
import type { Position } from '../operations/cursor.ts';
import { parseFormat, type RecordFormat } from '../operations/record-json.ts';
import type { Credit } from '../operations/subscribe.ts';

export type CommandId = string | number;

export interface SubscribeCommand {
  readonly op: 'subscribe';
  readonly sub: number;
  readonly topic: string;
  readonly from: string | undefined;
  readonly cursor: string | undefined;
  readonly partitions: readonly number[] | undefined;
  readonly positions: readonly Position[] | undefined;
  /** Absent: as fast as the socket takes it. */
  readonly credit: Credit | undefined;
  readonly format: RecordFormat;
}

export interface ProduceCommand {
  readonly op: 'produce';
  readonly topic: string;
  /** Not validated yet. */
  readonly records: readonly unknown[];
  readonly format: RecordFormat;
}

export type Command =
  | SubscribeCommand
  | ProduceCommand
  | { readonly op: 'hello' | 'ping' }
  | { readonly op: 'credit'; readonly sub: number; readonly credit: Credit }
  | { readonly op: 'pause' | 'resume' | 'unsubscribe'; readonly sub: number };

const idLengthMax = 64;
const subMax = 0x7fff_ffff;

type Fields = Readonly<Record<string, unknown>>;

/** Beside `op` and `id`. */
const membersOf: Readonly<Record<Command['op'], readonly string[]>> = {
  hello: [],
  ping: [],
  subscribe: ['sub', 'topic', 'from', 'cursor', 'partitions', 'positions', 'credit', 'format'],
  credit: ['sub', 'records', 'bytes'],
  pause: ['sub'],
  resume: ['sub'],
  unsubscribe: ['sub'],
  produce: ['topic', 'records', 'format'],
};

/** Undefined when there is none. Throws InvalidRequest. */
export function commandId({ id }: Fields): CommandId | undefined {
  if (id === undefined || id === null) return undefined;
  if (Number.isSafeInteger(id)) return id as number;
  if (typeof id === 'string' && id.length <= idLengthMax) return id;
  throw new InvalidRequest('id', `id must be a whole number or a string of at most ${idLengthMax} characters`);
}

/** Throws InvalidRequest. */
export function commandOf(fields: Fields): Command {
  const command = knownCommand(fields);
  refuseUnknown(fields, command.op);
  return command;
}

/** A member that is ignored would be a surprise: `partition` beside `partitions` reads everything. */
function refuseUnknown(fields: Fields, op: Command['op']): void {
  const members = membersOf[op];
  for (const name in fields) {
    if (name === 'op' || name === 'id' || members.includes(name)) continue;
    const advice = members.length === 0 ? 'it takes none' : `use ${members.join(', ')}`;
    throw new InvalidRequest(name, `${op} has an unknown member '${name}': ${advice}`);
  }
}

function knownCommand(fields: Fields): Command {
  const { op } = fields;
  switch (op) {
    case 'hello':
    case 'ping':
      return { op };
    case 'subscribe':
      return subscribe(fields);
    case 'credit':
      return { op, sub: subOf(fields), credit: { records: amount(fields, 'records'), bytes: amount(fields, 'bytes') } };
    case 'pause':
    case 'resume':
    case 'unsubscribe':
      return { op, sub: subOf(fields) };
    case 'produce':
      return produce(fields);
    default:
      throw new InvalidRequest(
        'op',
        `op must be one of hello, subscribe, credit, pause, resume, unsubscribe, produce, ping`,
      );
  }
}

function subscribe(fields: Fields): SubscribeCommand {
  const { partitions, positions, credit } = fields;
  if (partitions !== undefined && !Array.isArray(partitions))
    throw new InvalidRequest('partitions', 'partitions must be a list');
  if (positions !== undefined && !Array.isArray(positions))
    throw new InvalidRequest('positions', 'positions must be a list');
  return {
    op: 'subscribe',
    sub: subOf(fields),
    topic: text(fields, 'topic'),
    from: startText(fields['from']),
    cursor: optionalText(fields, 'cursor'),
    partitions: partitions?.map((partition) => numberOf(partition, 'partitions')),
    positions: positions?.map(positionOf),
    credit: credit === undefined ? undefined : creditOf(credit),
    format: parseFormat(optionalText(fields, 'format')),
  };
}

function produce(fields: Fields): ProduceCommand {
  const { records } = fields;
  if (!Array.isArray(records) || records.length === 0) {
    throw new InvalidRequest('records', 'records must be a list of at least one record');
  }
  return { op: 'produce', topic: text(fields, 'topic'), records, format: parseFormat(optionalText(fields, 'format')) };
}

/** An omitted credit has no limit. */
function creditOf(json: unknown): Credit {
  if (typeof json !== 'object' || json === null)
    throw new InvalidRequest('credit', 'credit must be {"records", "bytes"}');
  const { records, bytes } = json as Fields;
  return {
    records: records === undefined ? Infinity : numberOf(records, 'credit.records'),
    bytes: bytes === undefined ? Infinity : numberOf(bytes, 'credit.bytes'),
  };
}

function positionOf(json: unknown): Position {
  if (typeof json !== 'object' || json === null) throw new InvalidRequest('positions', 'use {"partition", "offset"}');
  const { partition, offset } = json as Fields;
  return { partition: numberOf(partition, 'positions'), offset: numberOf(offset, 'positions') };
}

function subOf({ sub }: Fields): number {
  const number = numberOf(sub, 'sub');
  if (number <= subMax) return number;
  throw new InvalidRequest('sub', `sub must be at most ${subMax}`);
}

function amount(fields: Fields, name: string): number {
  return fields[name] === undefined ? 0 : numberOf(fields[name], name);
}

function numberOf(json: unknown, field: string): number {
  if (Number.isSafeInteger(json) && (json as number) >= 0) return json as number;
  throw new InvalidRequest(field, `${field} must be a whole number, 0 or more`);
}

function text(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value === 'string') return value;
  throw new InvalidRequest(name, `${name} must be a string`);
}

function optionalText(fields: Fields, name: string): string | undefined {
  return fields[name] === undefined || fields[name] === null ? undefined : text(fields, name);
}

/** An offset may come as a number. */
function startText(json: unknown): string | undefined {
  if (json === undefined || json === null) return undefined;
  if (typeof json === 'string') return json;
  if (Number.isSafeInteger(json)) return String(json);
  throw new InvalidRequest('from', 'from must be a string or an offset');
}
