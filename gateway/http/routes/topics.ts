/** Topics of the caller's cluster: list, create, describe, change, delete. */
import type { TopicEntry } from '../../../engine/engine.ts';
import { InvalidRequest } from '../../../engine/kernel/failure.ts';
import { uuidText } from '../../../engine/kernel/uuid.ts';
import { topicConfigs, topicConfigValue } from '../../../engine/topic-configs.ts';
import type { Principal } from '../../../tenancy/tenancy.ts';
import { admitBeside } from '../../operations/admit.ts';
import { logSizesBytes } from '../../operations/log-sizes.ts';
import { resolveStart } from '../../operations/positions.ts';
import { changeTopic, createTopic, deleteTopic, topicsOf } from '../../operations/topics.ts';
import { overTurns } from '../../several-turns.ts';
import { requestsBeside, requestsForShown } from '../../weight.ts';
import type { DoorParts } from '../guard.ts';
import { guard } from '../guard.ts';
import { readJsonObject } from '../read-body.ts';
import { jsonHeaders, replyJson } from '../reply-headers.ts';
import type { HttpExchange, Route } from '../servers/server.ts';
import { topicOf } from './find-topic.ts';

const requestBytesMax = 256 * 1024;
/** Some 5 ms of work. */
const topicsPerTurnMax = 1_000;

export function topicRoutes(parts: DoorParts): Route[] {
  const { context } = parts;
  return [
    {
      method: 'GET',
      pattern: '/v1/topics',
      handler: guard(parts, async (exchange, principal) => {
        const pieces = {
          unitsOf: () => 1,
          unitsPerTurnMax: topicsPerTurnMax,
          lanes: parts.largeAnswers,
          turns: context.turns,
          clusterId: principal.clusterId,
        };
        const own = [...topicsOf(context, principal)];
        admitBeside(context, principal, requestsForShown(own.length));
        const topics = await overTurns(own, pieces, ([name, entry]) => JSON.stringify(summary(name, entry)));
        exchange.reply(200, jsonHeaders(exchange), `{"topics":[${topics.join(',')}]}`);
      }),
    },
    {
      method: 'POST',
      pattern: '/v1/topics',
      handler: guard(parts, async (exchange, principal) => {
        const { name, partitions, configs = {} } = await fieldsOf(exchange, ['name', 'partitions', 'configs']);
        if (typeof name !== 'string') throw new InvalidRequest('name', 'name must be a string');
        const count =
          partitions === undefined || partitions === null ? undefined : wholeNumber(partitions, 'partitions');
        const spec = {
          name,
          configs: givenConfigs(configs),
          ...(count === undefined ? undefined : { partitions: count }),
        };
        const entry = await createTopic(context, principal, spec);
        replyJson(exchange, 201, detail(name, entry), [['location', `/v1/topics/${encodeURIComponent(name)}`]]);
      }),
    },
    {
      method: 'GET',
      pattern: '/v1/topics/{topic}',
      handler: guard(parts, async (exchange, principal) => {
        const entry = topicOf(context, principal, exchange);
        admitBeside(context, principal, requestsBeside(entry.partitions.length));
        replyJson(exchange, 200, { ...detail(exchange.param('topic'), entry), partitions: await ranges(parts, entry) });
      }),
    },
    {
      method: 'PATCH',
      pattern: '/v1/topics/{topic}',
      handler: guard(parts, async (exchange, principal) => {
        const name = exchange.param('topic');
        const { partitions, configs } = await fieldsOf(exchange, ['partitions', 'configs']);
        replyJson(exchange, 200, detail(name, await change(parts, principal, name, partitions, configs)));
      }),
    },
    {
      method: 'DELETE',
      pattern: '/v1/topics/{topic}',
      handler: guard(parts, async (exchange, principal) => {
        await deleteTopic(context, principal, exchange.param('topic'));
        exchange.reply(204, jsonHeaders(exchange));
      }),
    },
  ];
}

/**
 * Throws InvalidRequest for members outside `known`: an ignored `partition_count` would create a different topic than the
 * caller meant.
 */
async function fieldsOf(exchange: HttpExchange, known: readonly string[]): Promise<Record<string, unknown>> {
  const json = await readJsonObject(exchange, requestBytesMax);
  const unknown = Object.keys(json).find((field) => !known.includes(field));
  if (unknown === undefined) return json;
  throw new InvalidRequest(unknown, `unknown field '${unknown}': use ${known.join(', ')}`);
}

/** Throws NotFound, InvalidRequest, QuotaExceeded. */
async function change(
  { context }: DoorParts,
  principal: Principal,
  name: string,
  partitions: unknown,
  configs: unknown,
): Promise<TopicEntry> {
  const changes = configs === undefined ? undefined : changedConfigs(configs);
  const total = partitions === undefined || partitions === null ? undefined : wholeNumber(partitions, 'partitions');
  if (changes === undefined && total === undefined) {
    throw new InvalidRequest('configs', 'give configs, partitions or both');
  }
  return changeTopic(context, principal, name, {
    ...(changes && { configs: changes }),
    ...(total !== undefined && { partitions: total }),
  });
}

function wholeNumber(json: unknown, field: string): number {
  if (Number.isSafeInteger(json)) return json as number;
  throw new InvalidRequest(field, `${field} must be a whole number`);
}

function givenConfigs(json: unknown): Record<string, string> {
  const configs: Record<string, string> = {};
  for (const [name, value] of Object.entries(changedConfigs(json))) if (value !== null) configs[name] = value;
  return configs;
}

/** Kafka's configs are strings; numbers and booleans are stored as they print. null: back to the default. */
function changedConfigs(json: unknown): Record<string, string | null> {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new InvalidRequest('configs', 'configs must be an object');
  }
  const configs: Record<string, string | null> = {};
  for (const [name, value] of Object.entries(json as Record<string, unknown>)) {
    if (value !== null && typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') {
      throw new InvalidRequest(`configs.${name}`, `config ${name} must be a string, number, boolean or null`);
    }
    configs[name] = value === null ? null : String(value);
  }
  return configs;
}

function summary(name: string, entry: TopicEntry): Record<string, unknown> {
  return {
    name,
    topic_id: uuidText(entry.topicId),
    partition_count: entry.partitions.length,
    created_at: new Date(entry.createdAtMs).toISOString(),
  };
}

function detail(name: string, entry: TopicEntry): Record<string, unknown> {
  const configs: Record<string, unknown> = {};
  for (const config of topicConfigs) {
    if (config.alwaysHolds && entry.configs[config.name] === undefined) continue;
    configs[config.name] = {
      value: topicConfigValue(entry.configs, config.name),
      is_default: entry.configs[config.name] === undefined,
    };
  }
  return { ...summary(name, entry), configs };
}

async function ranges({ context }: DoorParts, entry: TopicEntry): Promise<Record<string, unknown>[]> {
  const indexes = entry.partitions.map(({ index }) => index);
  const [starts, ends, sizesBytes] = await Promise.all([
    resolveStart(context, entry, indexes, { at: 'earliest' }),
    resolveStart(context, entry, indexes, { at: 'latest' }),
    logSizesBytes(context, entry),
  ]);
  return indexes.map((partition, i) => ({
    partition,
    start_offset: starts[i]!.offset,
    end_offset: ends[i]!.offset,
    size_bytes: sizesBytes[i]!,
  }));
}
