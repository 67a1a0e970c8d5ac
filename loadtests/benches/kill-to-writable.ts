/**
 * SIGKILL of a broker, and how long until every partition takes a durable write again: one writer per topic keeps writing to
 * all of its partitions, one record each, and notes when each was last acknowledged. The pause of a partition is what a
 * client sees: from the kill to its first acknowledgement after it.
 */
import type { Bench, BenchEnvironment, Fact } from '../compare/bench.ts';
import { quantile } from '../compare/statistics.ts';
import { type Headgate, startHeadgate } from '../servers/serve.ts';

const topicPartitions = 100;
const calmMs = 2_000;
/** Longer than this and the partition counts as stuck. */
const waitMsMax = 30_000;

interface Topic {
  readonly name: string;
  /** Monotonic time of the first acknowledgement of a write sent after the kill; NaN until then. */
  readonly backAtMs: Float64Array;
}

export const killToWritable: Bench = {
  name: 'kill-to-writable',
  about:
    'From SIGKILL of one of three brokers to the first durable write of each partition sent after it; goal: p99 at most 500 ms with 3,000 partitions',
  unit: 'kills',
  async facts(environment: BenchEnvironment) {
    const topicCount = Math.max(2, Math.round(30 * environment.scale));
    const kills = Math.max(2, Math.round(10 * environment.scale));
    const headgate = await startHeadgate(environment, ['--durability', 'fsync']);
    try {
      const topics: Topic[] = [];
      for (let i = 0; i < topicCount; i++) {
        const name = `kill-${i}`;
        await headgate.topic(name, topicPartitions);
        await write(headgate, name);
        topics.push({ name, backAtMs: new Float64Array(topicPartitions) });
      }
      const pauses: number[] = [];
      const affected: number[] = [];
      for (let kill = 0; kill < kills; kill++) {
        const measured = await killOnce(headgate, topics, kill);
        pauses.push(...measured.pauses);
        affected.push(measured.affected);
        environment.log(
          `kill ${kill + 1}/${kills}: all ${topicCount * topicPartitions} writable after ${Math.max(...measured.pauses).toFixed(0)} ms`,
        );
      }
      return factsOf(pauses, affected, topicCount * topicPartitions, kills);
    } finally {
      await headgate.stop();
    }
  },
};

function factsOf(pauses: readonly number[], affected: readonly number[], partitions: number, kills: number): Fact[] {
  const title = `${kills} kills, ${partitions} partitions, all of them written`;
  return [
    { name: `p50 from kill to writable, by topic; ${title}`, value: quantile(pauses, 0.5), unit: 'ms' },
    { name: 'p99', value: quantile(pauses, 0.99), unit: 'ms' },
    { name: 'longest', value: Math.max(...pauses), unit: 'ms' },
    { name: 'partitions of the dead broker, median', value: quantile(affected, 0.5), unit: '' },
  ];
}

async function killOnce(
  headgate: Headgate,
  topics: readonly Topic[],
  kill: number,
): Promise<{ pauses: number[]; affected: number }> {
  const brokers = (await headgate.instance.brokers()).filter(({ state }) => state === 'serving');
  const victim = brokers[kill % brokers.length]!;
  process.kill(victim.pid, 'SIGKILL');
  const killedAtMs = performance.now();
  await Promise.all(
    topics.map(async ({ name, backAtMs }) => {
      backAtMs.fill(Number.NaN);
      // One partition a request would be 3,000 requests; a request answers when its slowest partition does, so a topic's
      // partitions count as back when all of them are: the figure errs to the longer side.
      while (backAtMs.some(Number.isNaN) && performance.now() - killedAtMs < waitMsMax) {
        if (await write(headgate, name).catch(() => false)) backAtMs.fill(performance.now());
      }
    }),
  );
  const pauses = topics.map(({ name, backAtMs }) => {
    const pause = backAtMs[0]! - killedAtMs;
    if (Number.isNaN(pause))
      throw new Error(`${name} takes no writes ${waitMsMax} ms after broker ${victim.brokerId} was killed`);
    return pause;
  });
  await new Promise((resolve) => setTimeout(resolve, calmMs));
  return { pauses, affected: victim.partitions };
}

/** A record into every partition of a topic. False when one was refused. */
async function write(headgate: Headgate, name: string): Promise<boolean> {
  const records = Array.from({ length: topicPartitions }, (_, partition) => ({ partition, value: 'k' }));
  const answer = (await headgate.post(`/v1/topics/${name}/records`, JSON.stringify({ records }), {
    'content-type': 'application/json',
  })) as { failed: number };
  return answer.failed === 0;
}
