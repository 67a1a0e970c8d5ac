/**
 * The OpenAPI 3.1 description of this door's routes, as a plain object that other doors may merge into their document. This
 * file alone defines the shapes; docs/http.md explains them.
 */
import { partitionsPerTopicMax } from '../../engine/controller/rows/placement.ts';
import { topicConfigs } from '../../engine/topic-configs.ts';

type Json = Readonly<Record<string, unknown>>;

const ref = (name: string): Json => ({ $ref: `#/components/schemas/${name}` });
const object = (properties: Json, required: readonly string[] = []): Json => ({ type: 'object', properties, required });
/** An object without other members: they are refused. */
const closed = (properties: Json, required: readonly string[] = []): Json => ({
  ...object(properties, required),
  additionalProperties: false,
});
const list = (items: Json): Json => ({ type: 'array', items });
const integer: Json = { type: 'integer', format: 'int64' };
const text: Json = { type: 'string' };
const boolean: Json = { type: 'boolean' };
const natural: Json = { type: 'integer', format: 'int64', minimum: 0 };
const positive: Json = { type: 'integer', format: 'int64', minimum: 1 };
const partition: Json = { type: 'integer', minimum: 0, maximum: 0x7fff_ffff };
const partitionCount: Json = { type: ['integer', 'null'], minimum: 1, maximum: partitionsPerTopicMax };
/** A schema for each type: generators of Go clients know a list of types only as one type that may be null. */
const anyOf = (...types: string[]): Json => ({ anyOf: types.map((type) => ({ type })) });
const configs: Json = {
  type: 'object',
  propertyNames: { enum: topicConfigs.map(({ name }) => name) },
  additionalProperties: anyOf('string', 'number', 'boolean', 'null'),
  description: 'Values by config name; null sets a config back to its default',
};

const problems: Json = {
  default: {
    description: 'A problem (RFC 9457)',
    content: { 'application/problem+json': { schema: ref('DataProblem') } },
  },
};

function answer(status: number, description: string, schema?: Json): Json {
  const content = schema === undefined ? {} : { content: { 'application/json': { schema } } };
  return { [status]: { description, ...content } };
}

function inPath(name: string): Json {
  return { name, in: 'path', required: true, schema: text };
}

function inQuery(name: string, description: string, schema: Json = text): Json {
  return { name, in: 'query', description, schema };
}

function inHeader(name: string, description: string, schema: Json = text): Json {
  return { name, in: 'header', description, schema };
}

interface Operation {
  readonly id: string;
  readonly summary: string;
  readonly tag: 'Records' | 'Topics of a key' | 'Groups of a key' | 'About';
  readonly parameters?: readonly Json[];
  readonly body?: Json;
  readonly answers: readonly Json[];
  readonly isPublic?: boolean;
}

function operation({ id, summary, tag, parameters = [], body, answers, isPublic = false }: Operation): Json {
  return {
    operationId: id,
    summary,
    tags: [tag],
    security: isPublic ? [] : [{ apiKey: [] }, { apiKeyBasic: [] }],
    ...(parameters.length > 0 && { parameters }),
    ...(body && { requestBody: { required: true, content: body } }),
    responses: Object.assign({}, ...answers, problems) as Json,
  };
}

/** Kafka's rule. */
const topicName: Json = { type: 'string', minLength: 1, maxLength: 249, pattern: '^[a-zA-Z0-9._-]+$' };
const jsonBody = (schema: Json): Json => ({ 'application/json': { schema } });
const topic = inPath('topic');
const group = inPath('group');
const acks = inQuery('acks', '0: answer before anything is stored; 1 or all: answer when it is stored', {
  enum: ['0', '1', 'all'],
  default: 'all',
});
const format = inQuery('format', 'What strings in JSON stand for: text, or bytes as base64', {
  enum: ['json', 'string', 'base64'],
  default: 'json',
});
/** Raw bytes. Client generators omit a body whose schema says nothing, or fail at it. */
const bytes: Json = { schema: { type: 'string', format: 'binary' } };

const stampHeaders: readonly Json[] = [
  inHeader(
    'Producer-Id',
    'Producer id from POST /v1/producers. The sender then numbers its records, and may safely repeat a request',
    natural,
  ),
  inHeader('Producer-Epoch', 'Producer epoch from POST /v1/producers; 0 when absent', {
    type: 'integer',
    minimum: 0,
    maximum: 0x7fff,
  }),
  inHeader(
    'Producer-Sequence',
    'Number of the first record of the request within its partition, counted by the sender',
    partition,
  ),
];

const produceRecord = operation({
  id: 'produceRecord',
  summary: 'Store the body as the value of one record',
  tag: 'Records',
  parameters: [
    topic,
    acks,
    inHeader('Record-Key', 'The key'),
    inHeader('Record-Partition', 'Partition of the record; without it the key decides', partition),
    inHeader('Record-Timestamp', 'Milliseconds since the epoch', natural),
    inHeader('Record-Encoding', 'base64: the key and the record headers are given as base64', { enum: ['base64'] }),
    inHeader('Record-Tombstone', 'true: a record without a value', boolean),
    ...stampHeaders,
  ],
  body: { 'application/octet-stream': bytes, '*/*': bytes },
  answers: [answer(200, 'Stored', ref('Stored')), answer(202, 'Taken (acks=0)', ref('Accepted'))],
});

const produceRecords = operation({
  id: 'produceRecords',
  summary: 'Store many records',
  tag: 'Records',
  parameters: [
    topic,
    acks,
    format,
    inQuery('partition', 'Partition of the record batches; only for them', partition),
    ...stampHeaders,
  ],
  body: {
    ...jsonBody(object({ records: { ...list(ref('NewRecord')), minItems: 1 } }, ['records'])),
    'application/x-ndjson': { schema: ref('NewRecord') },
    'application/vnd.kafka.recordbatch': bytes,
  },
  answers: [
    answer(200, 'All stored', ref('ProduceResults')),
    answer(202, 'Taken (acks=0)', ref('Accepted')),
    answer(207, 'Some failed: results in the order of the records', ref('ProduceResults')),
  ],
});

const consume = operation({
  id: 'consumeRecords',
  summary: 'Read a page of records, or follow them as server-sent events',
  tag: 'Records',
  parameters: [
    topic,
    inQuery('cursor', 'Where to continue: `next` of the previous page'),
    inQuery('from', 'earliest, latest, an offset, -N or an RFC 3339 time'),
    inQuery('partitions', 'e.g. 0,1,2', { type: 'string', pattern: '^\\d{1,9}(,\\d{1,9})*$' }),
    inQuery('max_records', 'Largest number of records in a page', positive),
    inQuery('max_bytes', 'Largest size of a page in bytes', positive),
    inQuery('wait', 'How long to wait for records, e.g. 30s or 5000ms', {
      type: 'string',
      pattern: '^\\d{1,9}(ms|s)$',
    }),
    inQuery('clamp', 'true: start at the end if the position lies beyond it', boolean),
    format,
    inQuery('lastEventId', 'The same as the header Last-Event-ID, for polyfills of EventSource'),
    inHeader('Cursor', 'The same as `cursor` in the query, for cursors over many partitions'),
    inHeader('Last-Event-ID', 'For an event stream: the cursor at which to continue'),
  ],
  answers: [
    {
      200: {
        description: 'Records, and the cursor after them',
        headers: {
          'Next-Cursor': { schema: text },
          'Up-To-Date': { schema: boolean },
          'High-Watermark': { description: 'Position after the records of one partition', schema: integer },
        },
        content: {
          ...jsonBody(ref('Page')),
          'application/x-ndjson': { schema: ref('StoredRecord') },
          'application/vnd.kafka.recordbatch': bytes,
          'text/event-stream': { schema: text },
        },
      },
    },
  ],
});

const topicPaths: Json = {
  '/v1/topics': {
    get: operation({
      id: 'listTopics',
      summary: 'All topics',
      tag: 'Topics of a key',
      answers: [answer(200, 'Topics', object({ topics: list(ref('DataTopic')) }))],
    }),
    post: operation({
      id: 'createTopic',
      summary: 'Create a topic',
      tag: 'Topics of a key',
      body: jsonBody(closed({ name: topicName, partitions: partitionCount, configs }, ['name'])),
      answers: [answer(201, 'Created', ref('DataTopic'))],
    }),
  },
  '/v1/topics/{topic}': {
    get: operation({
      id: 'describeTopic',
      summary: 'Show the configs and offsets of a topic',
      tag: 'Topics of a key',
      parameters: [topic],
      answers: [answer(200, 'The topic', ref('DataTopic'))],
    }),
    post: produceRecord,
    patch: operation({
      id: 'changeTopic',
      summary: 'Change configs (null: back to the default) or add partitions',
      tag: 'Topics of a key',
      parameters: [topic],
      body: jsonBody({ ...closed({ configs, partitions: partitionCount }), minProperties: 1 }),
      answers: [answer(200, 'Changed', ref('DataTopic'))],
    }),
    delete: operation({
      id: 'deleteTopic',
      summary: 'Delete a topic',
      tag: 'Topics of a key',
      parameters: [topic],
      answers: [answer(204, 'Deleted')],
    }),
  },
  '/v1/topics/{topic}/records': { get: consume, post: produceRecords },
};

const otherPaths: Json = {
  '/v1': {
    get: operation({
      id: 'about',
      summary: 'Show the endpoints and limits of this API',
      tag: 'About',
      isPublic: true,
      answers: [answer(200, 'The API', object({}))],
    }),
  },
  '/v1/usage': {
    get: operation({
      id: 'usage',
      summary: "Show the cluster's limits and usage",
      tag: 'About',
      answers: [answer(200, 'Usage', object({}))],
    }),
  },
  '/v1/groups': {
    get: operation({
      id: 'listGroups',
      summary: 'List the consumer groups',
      tag: 'Groups of a key',
      answers: [
        answer(200, 'Groups', object({ groups: list(object({ group: text, state: text, protocol_type: text })) })),
      ],
    }),
  },
  '/v1/groups/{group}': {
    get: operation({
      id: 'describeGroup',
      summary: 'Show the members, offsets and lag of a group',
      tag: 'Groups of a key',
      parameters: [group],
      answers: [
        answer(
          200,
          'The group',
          object({ group: text, state: text, lag: integer, members: list(object({})), offsets: list(object({})) }),
        ),
      ],
    }),
    delete: operation({
      id: 'deleteGroup',
      summary: 'Delete a group that has no members',
      tag: 'Groups of a key',
      parameters: [group],
      answers: [answer(204, 'Deleted')],
    }),
  },
  '/v1/ws': {
    get: operation({
      id: 'websocket',
      summary: 'Open a WebSocket (docs/websocket.md)',
      tag: 'Records',
      parameters: [inQuery('ticket', 'A one-use ticket')],
      answers: [answer(101, 'Upgraded')],
    }),
  },
  '/v1/producers': {
    post: operation({
      id: 'createProducer',
      summary: 'Get a producer id, for a sender that numbers its records',
      tag: 'Records',
      answers: [answer(201, 'The producer', object({ producer_id: integer, producer_epoch: integer }))],
    }),
  },
  '/v1/ws-tickets': {
    post: operation({
      id: 'createTicket',
      summary: 'Get a one-use ticket for /v1/ws',
      tag: 'Records',
      answers: [answer(201, 'The ticket', object({ ticket: text, expires_in_ms: integer }))],
    }),
  },
};

const headerValue: Json = { ...anyOf('string', 'null', 'object'), description: 'Text, null or {"$b64": "…"}' };
const newHeaders: Json = {
  anyOf: [
    list(object({ key: text, value: headerValue }, ['key'])),
    { type: 'object', additionalProperties: headerValue },
  ],
};
const headers = list(object({ key: text, value: {} }, ['key']));

export const dataPlaneOpenapi = {
  paths: { ...topicPaths, ...otherPaths },
  components: {
    securitySchemes: {
      apiKey: { type: 'http', scheme: 'bearer', description: 'API key of a cluster' },
      apiKeyBasic: { type: 'http', scheme: 'basic', description: 'Key id and API key' },
    },
    schemas: {
      DataProblem: object(
        {
          type: text,
          title: text,
          status: integer,
          detail: text,
          instance: text,
          code: text,
          kafka_error: text,
          retryable: boolean,
          side_effects: { enum: ['none', 'unknown', 'partial'] },
          retry_after_ms: integer,
        },
        ['type', 'title', 'status', 'code', 'retryable', 'side_effects'],
      ),
      NewRecord: closed({ key: {}, value: {}, headers: newHeaders, partition, timestamp: {}, offset: {} }),
      StoredRecord: object({ partition: integer, offset: integer, timestamp: integer, key: {}, value: {}, headers }, [
        'partition',
        'offset',
        'timestamp',
        'key',
        'value',
        'headers',
      ]),
      Stored: object({ partition: integer, offset: integer, timestamp: integer }, ['partition', 'offset', 'timestamp']),
      Accepted: object({ accepted: integer }, ['accepted']),
      ProduceResults: object(
        {
          results: list({
            anyOf: [ref('Stored'), object({ partition: integer, error: ref('DataProblem') }, ['error'])],
          }),
          failed: integer,
        },
        ['results', 'failed'],
      ),
      Page: object(
        {
          records: list(ref('StoredRecord')),
          next: text,
          up_to_date: boolean,
          partitions: list(object({ partition: integer, high_watermark: integer, earliest: integer })),
        },
        ['records', 'next', 'up_to_date', 'partitions'],
      ),
      DataTopic: object(
        {
          name: text,
          topic_id: text,
          partition_count: integer,
          created_at: { type: 'string', format: 'date-time' },
          configs: object({}),
          partitions: list(
            object({
              partition: integer,
              start_offset: integer,
              end_offset: integer,
              size_bytes: { type: ['integer', 'null'] },
            }),
          ),
        },
        ['name', 'topic_id'],
      ),
    },
  },
} as const satisfies { readonly paths: Json; readonly components: Json };
