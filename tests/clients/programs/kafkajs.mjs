/** kafkajs as a program of the client tests: see programs.ts for the commands and the lines. */
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { compress as zstdCompress, decompress as zstdDecompress } from '@mongodb-js/zstd';
import kafkajs from 'kafkajs';
import lz4 from 'lz4-napi';
import snappy from 'snappy';

const { CompressionCodecs, CompressionTypes, ConfigResourceTypes, Kafka, logLevel } = kafkajs;
// kafkajs ships gzip and takes the other codecs from its user.
CompressionCodecs[CompressionTypes.Snappy] = () => ({
  compress: (encoder) => snappy.compress(encoder.buffer),
  decompress: (bytes) => snappy.uncompress(bytes),
});
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: (encoder) => lz4.compressFrame(encoder.buffer),
  decompress: (bytes) => lz4.decompressFrame(bytes),
});
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: (encoder) => zstdCompress(encoder.buffer),
  decompress: (bytes) => zstdDecompress(bytes),
});
const types = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD,
};

const [command, ...pairs] = process.argv.slice(2);
const given = Object.fromEntries(
  pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
);
const { topic, group: groupId } = given;
const kafka = new Kafka({
  clientId: 'client-tests',
  brokers: process.env['KAFKA_BOOTSTRAP'].split(','),
  sasl: { mechanism: 'plain', username: process.env['KAFKA_USERNAME'], password: process.env['KAFKA_PASSWORD'] },
  ssl: false,
  logLevel: logLevel.WARN,
  logCreator: () => (entry) => process.stderr.write(`${JSON.stringify(entry)}\n`),
});

const say = (...words) => process.stdout.write(`${words.join('\t')}\n`);
const tellRecord = ({ partition, message }) =>
  say('record', partition, message.offset, message.timestamp, String(message.value));

async function withAdmin(act) {
  const admin = kafka.admin();
  await admin.connect();
  await act(admin);
  await admin.disconnect();
}

async function produce() {
  const idempotent = given.idempotent === 'true';
  const producer = kafka.producer({ idempotent, ...(idempotent ? { maxInFlightRequests: 1 } : {}) });
  await producer.connect();
  const messages = [];
  for await (const line of createInterface({ input: process.stdin })) {
    const [key, value] = line.split('\t');
    messages.push({ key, value });
  }
  for (let at = 0; at < messages.length; at += 50) {
    await producer.send({ topic, compression: types[given.compression], messages: messages.slice(at, at + 50) });
  }
  await producer.disconnect();
}

/**
 * From the start, or from a time, up to the end as of the beginning. kafkajs reads only in groups, here in a group of
 * its own.
 */
async function read() {
  const ends = new Map();
  const starts = new Map();
  await withAdmin(async (admin) => {
    for (const each of await admin.fetchTopicOffsets(topic)) {
      ends.set(each.partition, Number(each.high));
      starts.set(each.partition, Number(each.low));
    }
    if (given.since === undefined) return;
    for (const each of await admin.fetchTopicOffsetsByTimestamp(topic, Number(given.since))) {
      starts.set(each.partition, Number(each.offset) < 0 ? ends.get(each.partition) : Number(each.offset));
    }
  });
  const left = new Set([...ends.keys()].filter((partition) => starts.get(partition) < ends.get(partition)));
  if (left.size === 0) return;
  const own = `reader-${process.pid}-${topic}`;
  const consumer = kafka.consumer({ groupId: own });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await new Promise((resolve, reject) => {
    consumer
      .run({
        autoCommit: false,
        eachMessage: async ({ partition, message }) => {
          const offset = Number(message.offset);
          if (offset < starts.get(partition) || offset >= ends.get(partition)) return;
          tellRecord({ partition, message });
          if (offset + 1 === ends.get(partition)) left.delete(partition);
          if (left.size === 0) resolve();
        },
      })
      .catch(reject);
    for (const partition of left) consumer.seek({ topic, partition, offset: String(starts.get(partition)) });
  });
  await consumer.disconnect();
  await withAdmin((admin) => admin.deleteGroups([own]));
}

async function member() {
  const consumer = kafka.consumer({ groupId, sessionTimeout: 6000, heartbeatInterval: 1000 });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => say('assigned', ...(payload.memberAssignment[topic] ?? [])));
  consumer.on(consumer.events.REBALANCING, () => say('assigned'));
  let left = Number(given.count ?? Number.MAX_SAFE_INTEGER);
  await new Promise((resolve, reject) => {
    process.once('SIGTERM', resolve);
    consumer
      .run({
        autoCommit: false,
        eachMessage: async ({ partition, message }) => {
          if (left === 0) return;
          tellRecord({ partition, message });
          await consumer.commitOffsets([{ topic, partition, offset: String(Number(message.offset) + 1) }]);
          left -= 1;
          if (left === 0) resolve();
        },
      })
      .catch(reject);
  });
  await consumer.disconnect();
}

const commands = {
  produce,
  read,
  member,
  committed: () =>
    withAdmin(async (admin) => {
      for (const { partitions } of await admin.fetchOffsets({ groupId, topics: [topic] })) {
        for (const { partition, offset } of partitions) if (Number(offset) >= 0) say('committed', partition, offset);
      }
    }),
  'create-topic': () =>
    withAdmin(async (admin) => {
      // Not waiting for leaders: kafkajs gives up when the topic is not known at once, as Apache Kafka may do.
      const isCreated = await admin.createTopics({
        waitForLeaders: false,
        topics: [
          {
            topic,
            numPartitions: Number(given.partitions),
            configEntries: [{ name: 'retention.ms', value: '86400000' }],
          },
        ],
      });
      if (!isCreated) throw new Error('the topic already exists');
    }),
  'add-partitions': () =>
    withAdmin((admin) => admin.createPartitions({ topicPartitions: [{ topic, count: Number(given.partitions) }] })),
  configs: () =>
    withAdmin(async (admin) => {
      const { resources } = await admin.describeConfigs({
        includeSynonyms: false,
        resources: [{ type: ConfigResourceTypes.TOPIC, name: topic }],
      });
      for (const each of resources[0].configEntries) say('config', each.configName, each.configValue);
    }),
  'set-config': () =>
    withAdmin((admin) =>
      admin.alterConfigs({
        validateOnly: false,
        resources: [
          {
            type: ConfigResourceTypes.TOPIC,
            name: topic,
            configEntries: [{ name: given.name, value: given.value }],
          },
        ],
      }),
    ),
  'delete-records': () =>
    withAdmin(async (admin) => {
      // It looks for leaders among topics that it knows already.
      await admin.fetchTopicOffsets(topic);
      await admin.deleteTopicRecords({
        topic,
        partitions: [{ partition: Number(given.partition), offset: given.before }],
      });
    }),
  topics: () =>
    withAdmin(async (admin) => {
      for (const name of await admin.listTopics()) say('topic', name);
    }),
  'describe-topic': () =>
    withAdmin(async (admin) => {
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
      for (const { partitionId, leader } of topics[0].partitions) say('partition', partitionId, leader);
    }),
  groups: () =>
    withAdmin(async (admin) => {
      for (const each of (await admin.listGroups()).groups) say('group', each.groupId);
    }),
  'describe-group': () =>
    withAdmin(async (admin) => {
      const { groups } = await admin.describeGroups([groupId]);
      say('state', groups[0].state);
      for (const { memberId } of groups[0].members) say('member', memberId);
    }),
  'delete-group': () => withAdmin((admin) => admin.deleteGroups([groupId])),
  'delete-topic': () => withAdmin((admin) => admin.deleteTopics({ topics: [topic] })),
};
try {
  await commands[command]();
} catch (error) {
  // The errors of several topics come as one, whose own text says nothing.
  console.error(error, ...(error.errors ?? []), ...(error.groups ?? []).map((each) => each.error));
  process.exit(1);
}
if (process.stdout.writableLength > 0) await once(process.stdout, 'drain');
process.exit(0);
