/** The shapes of requests and responses, from which the checks and the OpenAPI document are both generated. */
import { z } from '@hono/zod-openapi';
import { defaultPartitionsMax, nameLengthMax, namePattern } from '../../tenancy/names.ts';
import { partitionsPerTopicMax } from '../../engine/controller/rows/placement.ts';
import { topicConfigs } from '../../engine/topic-configs.ts';
import { profileNames } from '../../tenancy/quota/limits.ts';
import type { ClusterLimits } from '../../tenancy/tenancy.ts';

export const timeMs = z.number().int().openapi({ description: 'Milliseconds since 1970-01-01T00:00:00Z.' });
/** For readers of the document: the engine refuses all other values and lists these. */
const configNames: object = { propertyNames: { enum: topicConfigs.map(({ name }) => name) } };
const count = z.number().int().min(0);

export const problemSchema = z
  .object({
    type: z.string().openapi({ description: 'Path of a page about this kind of problem.' }),
    title: z.string(),
    status: z.number().int(),
    detail: z.string(),
    code: z.string().openapi({ description: 'Stable: programs should decide by this.' }),
    instance: z.string().openapi({ description: 'The request id, by which the request can be found in the log.' }),
    retryable: z.boolean().openapi({ description: 'Whether the same request may succeed later, unchanged.' }),
    side_effects: z.enum(['none', 'unknown', 'partial']),
    retry_after_ms: z.number().optional(),
    kind: z.string().optional().openapi({ description: 'What does not exist, such as `topic`, or `path`.' }),
    field: z.string().optional().openapi({ description: 'The field or parameter that is wrong.' }),
    faults: z.array(z.object({ field: z.string(), message: z.string() })).optional(),
    quota: z.string().optional(),
    used: z.number().optional(),
    limit: z.number().nullable().optional(),
  })
  .openapi('Problem');

/**
 * A number in a path or a query. In one spelling only: `0x1`, `1.0` and ` 1` come from a script that takes something else
 * for a number, and the request then means another broker than its sender does.
 */
export function wholeNumber(min: number, max = Number.MAX_SAFE_INTEGER) {
  const told = `use a whole number, ${max === Number.MAX_SAFE_INTEGER ? `${min} or more` : `from ${min} to ${max}`}`;
  const isMeant = (text: string): boolean =>
    /^(0|[1-9]\d{0,14})$/.test(text) && Number(text) >= min && Number(text) <= max;
  return z
    .string()
    .refine(isMeant, told)
    .transform(Number)
    .openapi({ type: 'integer', minimum: min, ...(max < Number.MAX_SAFE_INTEGER && { maximum: max }) });
}

export const pageQuery = z.object({
  limit: wholeNumber(1, 1000).default(100).openapi({ description: 'Items of one page.' }),
  cursor: z.string().max(2000).optional().openapi({ description: '`nextCursor` of the previous page.' }),
});

export function pageSchema<T extends z.ZodType>(item: T, name: string) {
  return z
    .object({
      items: z.array(item),
      nextCursor: z.string().optional().openapi({ description: 'Absent on the last page.' }),
    })
    .openapi(name);
}

/** Declared here and checked in the code that owns names, which has a better error message. */
export const newName = z
  .string()
  .openapi({ minLength: 1, maxLength: nameLengthMax, pattern: namePattern.source, example: 'orders-eu' });

export const tenantSchema = z.object({ tenantId: z.string(), name: z.string(), createdAtMs: timeMs }).openapi('Tenant');

const limit = z
  .number()
  .int()
  .positive()
  .nullable()
  .openapi({ maximum: Number.MAX_SAFE_INTEGER, description: 'null: no limit.' });

/** Listed one by one: a new limit is a compile error until the API has it. */
const limitShape = {
  ingressBytesPerSecondMax: limit,
  egressBytesPerSecondMax: limit,
  partitionIngressBytesPerSecondMax: limit,
  partitionEgressBytesPerSecondMax: limit,
  requestsPerSecondMax: limit,
  connectionsMax: limit,
  connectionAttemptsPerSecondMax: limit,
  topicMutationsPerSecondMax: limit,
  partitionMutationsPer5MinutesMax: limit,
  messageBytesMax: limit,
  requestBytesMax: limit,
  fetchBytesMax: limit,
  groupsMax: limit,
  partitionsMax: limit,
} satisfies Record<keyof ClusterLimits, typeof limit>;

export const limitNames = Object.keys(limitShape) as (keyof ClusterLimits)[];
export const limitsSchema = z.strictObject(limitShape).openapi('ClusterLimits');
export const limitChangesSchema = z.strictObject(limitShape).partial().openapi('ClusterLimitChanges');

export const clusterSchema = z
  .object({
    clusterId: z.string(),
    tenantId: z.string(),
    name: z.string(),
    state: z.enum(['creating', 'serving', 'suspended', 'deleting']),
    autoCreateTopics: z.boolean(),
    defaultPartitions: z.number().int(),
    createdAtMs: timeMs,
    limits: limitsSchema,
    usage: z.object({
      topics: z.object({ used: count }),
      partitions: z.object({ used: count, limit }),
      connections: z.object({ used: count, limit }),
    }),
  })
  .openapi('Cluster');

export const newClusterSchema = z
  .strictObject({
    tenantId: z.string(),
    name: newName,
    defaultPartitions: z.number().int().min(1).max(defaultPartitionsMax).optional(),
    autoCreateTopics: z.boolean().optional(),
    profile: z
      .string()
      .optional()
      .openapi({
        enum: [...profileNames],
        description: 'Profile that sets the limits that are not given.',
        example: 'msk-serverless',
      }),
    limits: limitChangesSchema.optional(),
  })
  .openapi('NewCluster');

export const clusterChangeSchema = z
  .strictObject({
    state: z.enum(['serving', 'suspended']).optional(),
    defaultPartitions: z.number().int().min(1).max(defaultPartitionsMax).optional(),
    autoCreateTopics: z.boolean().optional(),
    limits: limitChangesSchema.optional(),
  })
  .openapi('ClusterChange');

export const usageSchema = z
  .object({
    clusterId: z.string(),
    producedBytes: count,
    producedRecords: count,
    fetchedBytes: count,
    fetchedRecords: count,
    throttledMs: z.record(z.string(), z.number()).openapi({
      description: 'Milliseconds for which requests and reads were held back, by limit; refusals are not in it.',
    }),
  })
  .openapi('Usage');

export const keySchema = z
  .object({
    keyId: z.string(),
    name: z.string(),
    createdAtMs: timeMs,
    expiresAtMs: timeMs.nullable().openapi({ description: 'When a rotated key stops working; null for others.' }),
  })
  .openapi('Key');

export const issuedKeySchema = z
  .object({ keyId: z.string(), apiKey: z.string().openapi({ description: 'The secret: shown here and never again.' }) })
  .openapi('IssuedKey');

const placementShape = {
  partition: z.number().int(),
  broker: z.number().int().nullable().openapi({ description: 'null while no broker owns it.' }),
  zone: z.string().nullable(),
  epoch: z.number().int().openapi({ description: 'Grows by one each time the partition moves.' }),
  reason: z.string().openapi({ description: 'Why the partition is where it is.', example: 'broker-dead' }),
  movedAtMs: timeMs,
};

export const topicSchema = z
  .object({
    name: z.string(),
    topicId: z.string(),
    partitions: z.number().int(),
    configs: z.record(z.string(), z.string()).openapi({ description: 'The configs that were set explicitly.' }),
    createdAtMs: timeMs,
  })
  .openapi('Topic');

export const topicDetailSchema = topicSchema
  .omit({ partitions: true })
  .extend({
    partitions: z.array(
      z.object({
        ...placementShape,
        startOffset: z.number().int().nullable().openapi({ description: 'null while no broker can tell.' }),
        endOffset: z.number().int().nullable(),
        sizeBytes: z.number().int().nullable().openapi({ description: 'Of its records, as stored.' }),
      }),
    ),
  })
  .openapi('TopicDetail');

export const newTopicSchema = z
  .strictObject({
    name: z.string().openapi({ minLength: 1, maxLength: 249, pattern: '^[a-zA-Z0-9._-]+$' }),
    partitions: z.number().int().min(1).max(partitionsPerTopicMax).optional(),
    configs: z.record(z.string(), z.string()).default({}).openapi(configNames),
  })
  .openapi('NewTopic');

export const topicChangeSchema = z
  .strictObject({
    partitions: z
      .number()
      .int()
      .min(1)
      .max(partitionsPerTopicMax)
      .optional()
      .openapi({ description: 'The new total number of partitions; it can only grow.' }),
    configs: z
      .record(z.string(), z.string().nullable())
      .optional()
      .openapi({ ...configNames, description: 'null sets a config back to its default.' }),
  })
  .openapi('TopicChange');

export const groupSchema = z
  .object({ groupId: z.string(), state: z.string(), protocolType: z.string() })
  .openapi('Group');

export const groupDetailSchema = groupSchema
  .extend({
    members: z.array(
      z.object({
        memberId: z.string(),
        instanceId: z.string().nullable(),
        clientId: z.string(),
        clientHost: z.string(),
      }),
    ),
    offsets: z.array(
      z.object({
        topic: z.string(),
        partition: z.number().int(),
        committedOffset: z.number().int(),
        endOffset: z.number().int(),
        lag: count,
      }),
    ),
    lag: count,
  })
  .openapi('GroupDetail');

const brokerLoadSchema = z
  .object({
    bytesInPerSecond: z.number(),
    bytesOutPerSecond: z.number(),
    requestsPerSecond: z.number(),
    share: z.number().openapi({
      description: 'Part of the capacity of the broker that is used, in its busiest dimension; 1 is all of it.',
    }),
  })
  .openapi('BrokerLoad');

export const brokerSchema = z
  .object({
    brokerId: z.number().int(),
    zone: z.string(),
    state: z.enum(['starting', 'serving', 'draining', 'fenced', 'closed']),
    sessionEpoch: z.number().int(),
    pid: z.number().int(),
    partitions: count,
    moving: count.optional().openapi({ description: 'Partitions that a planned move is taking to another broker.' }),
    wish: z
      .enum(['drain', 'restart', 'replace'])
      .optional()
      .openapi({ description: 'What an operator has asked for: shown until it is done, a drain until it is undone.' }),
    load: brokerLoadSchema.optional().openapi({ description: 'Absent while it is not known.' }),
  })
  .openapi('Broker');

export const drainedSchema = z
  .object({
    broker: brokerSchema,
    partitionsLeft: count.openapi({ description: 'Partitions that no other broker could take.' }),
  })
  .openapi('Drained');

export const scrubSchema = z
  .object({
    brokerId: z.number().int(),
    state: z.enum(['off', 'waiting', 'running', 'paused']),
    passes: count.openapi({ description: 'Complete passes since the broker started.' }),
    files: count.openapi({ description: 'Files checked in the current pass, or in the last one.' }),
    filesOfPass: count,
    bytes: count.openapi({ description: 'Bytes read since the broker started.' }),
    damaged: count.openapi({ description: 'Damaged places found since the broker started.' }),
    unread: count.openapi({ description: 'Files that could not be checked because the store did not answer.' }),
    lastPassEndedAtMs: z.number().int().openapi({ description: 'End of the last complete pass; -1 before the first.' }),
  })
  .openapi('Scrub');

export const damageSchema = z
  .object({
    fileId: z.string(),
    position: count.openapi({ description: 'Position of the first damaged byte or batch in the file.' }),
    what: z.string(),
    topicId: z.string().optional(),
    partition: z.number().int().optional(),
    fromOffset: z
      .number()
      .int()
      .optional()
      .openapi({ description: 'First offset that readers cannot get; absent: they lose nothing.' }),
    toOffset: z.number().int().optional().openapi({ description: 'Offset at which the segment ends.' }),
    foundAtMs: timeMs,
  })
  .openapi('Damage');

export const partitionSchema = z
  .object({
    clusterId: z.string(),
    topic: z.string(),
    internal: z
      .boolean()
      .openapi({ description: 'Whether it is a topic of Headgate itself, e.g. that of committed offsets.' }),
    ...placementShape,
  })
  .openapi('Partition');

export const eventSchema = z
  .object({
    id: z.string().openapi({ description: 'Pass it as `since` to continue after this event.' }),
    seq: z.number().int().openapi({ description: 'Counts the events of one run of a controller, from 1.' }),
    atMs: timeMs,
    kind: z.string().openapi({ description: 'What happened.', example: 'broker-dead' }),
    reason: z.string().openapi({ description: 'Why it happened, for people.', example: 'process ended' }),
    brokerId: z.number().int().optional().openapi({ description: 'The broker concerned.' }),
    zone: z.string().optional(),
    detail: z.record(z.string(), z.union([z.string(), z.number()])),
  })
  .openapi('Event');

// What clients of the API read; types only, so that a client loads none of this file.
export type TenantShown = z.infer<typeof tenantSchema>;
export type ClusterShown = z.infer<typeof clusterSchema>;
export type KeyShown = z.infer<typeof keySchema>;
export type IssuedKeyShown = z.infer<typeof issuedKeySchema>;
export type TopicShown = z.infer<typeof topicSchema>;
export type TopicDetailShown = z.infer<typeof topicDetailSchema>;
export type GroupShown = z.infer<typeof groupSchema>;
export type GroupDetailShown = z.infer<typeof groupDetailSchema>;
export type BrokerShown = z.infer<typeof brokerSchema>;
export type ScrubShown = z.infer<typeof scrubSchema>;
export type DamageShown = z.infer<typeof damageSchema>;
export type DrainedShown = z.infer<typeof drainedSchema>;
export type EventShown = z.infer<typeof eventSchema>;
