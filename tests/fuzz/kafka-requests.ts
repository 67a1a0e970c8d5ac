/**
 * Requests of every served API and version, made from the schemas: well-formed as frames, and anything as requests. Names
 * and ids are the attacker's own, the victim's, and what the engine calls them inside.
 */
import { apiByKey, type ApiKey } from '../../engine/protocol/apis.ts';
import { encodeRequest } from '../../engine/protocol/headers.ts';
import { type Field, type Fields, isNullable, isPresent } from '../../engine/protocol/schema.ts';
import { servedVersions } from '../../engine/protocol/versions.ts';
import { zeroUuid } from '../../engine/kernel/uuid.ts';
import { hostileBatch } from './batches.ts';
import { type Draw, oddIntegers } from './draw.ts';
import type { Known } from './world.ts';

const served = [...servedVersions.values()];
/** Most of what clients send, and where most code is. */
const frequent = served.filter(({ key }) => [0, 0, 1, 2, 3, 8, 9].includes(key));

export interface Made {
  readonly key: ApiKey;
  readonly version: number;
  readonly correlationId: number;
  /** Without the size prefix. */
  readonly frame: Buffer;
}

export function makeRequest(draw: Draw, known: Known, correlationId: number, nowMs: number): Made {
  const { key, min, max } = draw.pick(draw.chance(40) ? frequent : served);
  const version = min + draw.below(max - min + 1);
  const maker = new Maker(draw, known, version, nowMs);
  const request = maker.struct(apiByKey.get(key)!.request.fields);
  const clientId = draw.chance(90) ? 'fuzz' : draw.chance(50) ? null : draw.text();
  const frame = Buffer.concat(encodeRequest(key, version, correlationId, clientId, request as never));
  return { key, version, correlationId, frame };
}

class Maker {
  readonly #draw: Draw;
  readonly #known: Known;
  readonly #version: number;
  readonly #nowMs: number;

  constructor(draw: Draw, known: Known, version: number, nowMs: number) {
    this.#draw = draw;
    this.#known = known;
    this.#version = version;
    this.#nowMs = nowMs;
  }

  struct(fields: Fields): Record<string, unknown> {
    return Object.fromEntries(
      Object.entries(fields).map(([name, field]) => [
        name,
        isPresent(field, this.#version) ? this.#present(name, field) : defaultOf(field),
      ]),
    );
  }

  #present(name: string, field: Field): unknown {
    const draw = this.#draw;
    if (isNullable(field, this.#version) && draw.chance(field.kind === 'records' ? 5 : 25)) return null;
    if (field.default !== null && field.kind !== 'array' && draw.chance(10)) return defaultOf(field);
    return this.#value(name, field);
  }

  #value(name: string, field: Field): unknown {
    const draw = this.#draw;
    switch (field.kind) {
      case 'bool':
        return draw.chance(50);
      case 'float64':
        return draw.pick([0, -1, 1.5, Infinity, 1e308]);
      case 'string':
        return this.#text(name, field);
      case 'uuid':
        return draw.pick([
          ...this.#known.topicIds,
          this.#known.victimTopicId,
          zeroUuid,
          draw.bytes(16).toString('latin1'),
        ]);
      case 'bytes':
        return draw.chance(50) ? draw.bytes(draw.below(64)) : Buffer.from('0001000000010006636c69636b73', 'hex');
      case 'records':
        return hostileBatch(draw, 'k', this.#nowMs);
      case 'runs':
        return [];
      case 'struct':
        return this.struct(field.fields!);
      case 'array':
        return Array.from({ length: draw.count(3, 300) }, () =>
          field.fields ? this.struct(field.fields) : this.#value(name, field.element!),
        );
      default:
        return this.#integer(name, field.kind);
    }
  }

  #text(name: string, { entity }: Field): string {
    const draw = this.#draw;
    const { topics, victimTopic, victimClusterId, victimGroup, own } = this.#known;
    if (draw.chance(8)) return draw.text();
    if (name === 'mechanism') return 'PLAIN';
    if (entity === 'topic' || entity === 'resource') {
      return draw.pick([
        ...topics,
        ...topics,
        victimTopic,
        `${victimClusterId}.${victimTopic}`,
        `${own.clusterId}.${topics[0]}`,
        `${victimClusterId}:offsets`,
        '__consumer_offsets',
        `made-${draw.below(40)}`,
      ]);
    }
    if (entity === 'group' || entity === 'coordinatorKey') {
      return draw.pick(['g', `g${draw.below(40)}`, victimGroup, `${victimClusterId}.${victimGroup}`]);
    }
    return draw.pick(['', 'range', 'consumer', 'member', 'fuzz-1', 'retention.ms', 'max.message.bytes', '1']);
  }

  #integer(name: string, kind: string): number {
    const draw = this.#draw;
    if (/TimeoutMs$|^maxWaitMs$/.test(name)) return draw.pick([0, 1, 20, 100, 6_000]);
    if (draw.chance(75)) {
      if (name === 'acks') return draw.pick([-1, 1, -1, -1, 1, -1, 0]);
      if (name === 'resourceType') return draw.pick([2, 4, 2]);
      if (/bytes|Bytes/.test(name)) return draw.pick([1, 1000, 1_000_000]);
      return draw.pick([-1, 0, 0, 1, 2, 3]);
    }
    const value = draw.pick(oddIntegers);
    switch (kind) {
      case 'int8':
        return (value << 24) >> 24;
      case 'int16':
        return (value << 16) >> 16;
      case 'uint16':
        return value & 0xffff;
      case 'int32':
        return value | 0;
      default:
        return draw.pick([value, Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER, Infinity, this.#nowMs]);
    }
  }
}

function defaultOf(field: Field): unknown {
  if (field.default === null) return null;
  if (field.kind === 'array') return [];
  if (field.kind !== 'struct') return field.default;
  return Object.fromEntries(Object.entries(field.fields!).map(([name, each]) => [name, defaultOf(each)]));
}
