/** Both sides, and run after run against them. Its seed decides every step. */
import type { ApiKey } from '../../engine/protocol/apis.ts';
import { startApacheKafka } from '../clients/apache-kafka.ts';
import type { Access } from '../clients/targets.ts';
import { startInstallation } from '../installation.ts';
import { type Finding, findingText, type Pair, run, shrink, stepsPerRun } from './run.ts';
import { Side } from './side.ts';

const client = 'differential';

export interface Outcome {
  readonly findings: readonly Finding[];
  readonly steps: number;
  /** Requests by API, those of each version. */
  readonly asked: ReadonlyMap<ApiKey, ReadonlyMap<number, number>>;
}

export interface CampaignOptions {
  readonly seed: number;
  readonly steps: number;
  /** How many different findings end it. */
  readonly findingsMax: number;
  /** Whether a run goes on after a difference: many at once, some of them only what came of an earlier one. */
  readonly goesOn: boolean;
  readonly say: (line: string) => void;
}

interface Started {
  readonly pair: Pair;
  readonly stop: () => Promise<void>;
}

/** What a Headgate cluster says of itself, said to Kafka; nothing is made by accident. */
const kafkaProperties = {
  'auto.create.topics.enable': 'false',
  'num.partitions': 1,
  'broker.rack': 'a',
  'controller.quorum.append.linger.ms': 0,
  'group.max.session.timeout.ms': 1_800_000,
};

async function startHeadgate(): Promise<{ access: Access; stop: () => Promise<void> }> {
  const instance = await startInstallation();
  try {
    const { tenantId } = await instance.admin<{ tenantId: string }>('POST', '/tenants', { name: client });
    const cluster = { tenantId, name: client, profile: 'unlimited', defaultPartitions: 1, autoCreateTopics: false };
    const { clusterId } = await instance.admin<{ clusterId: string }>('POST', '/clusters', cluster);
    const keys = `/clusters/${clusterId}/keys`;
    const { keyId, apiKey } = await instance.admin<{ keyId: string; apiKey: string }>('POST', keys, { name: client });
    const access = { bootstrap: instance.kafka, username: keyId, password: apiKey };
    return { access, stop: () => instance.remove() };
  } catch (error) {
    await instance.remove();
    throw error;
  }
}

export async function startPair(): Promise<Started> {
  const [kafka, headgate] = await Promise.all([startApacheKafka([client], kafkaProperties), startHeadgate()]);
  const pair = { kafka: new Side('kafka', kafka.access[client]), headgate: new Side('headgate', headgate.access) };
  const stop = async (): Promise<void> => {
    pair.kafka.end();
    pair.headgate.end();
    await Promise.all([kafka.stop(), headgate.stop()]);
  };
  try {
    await Promise.all([pair.kafka.prepare(), pair.headgate.prepare()]);
    return { pair, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

export async function campaign({ seed, steps, findingsMax, goesOn, say }: CampaignOptions): Promise<Outcome> {
  const asked = new Map<ApiKey, Map<number, number>>();
  const findings = new Map<string, Finding>();
  const { pair, stop } = await startPair();
  let sent = 0;
  try {
    for (let turn = 0; sent < steps && findings.size < findingsMax; turn++) {
      const found: Finding[] = [];
      await run(pair, {
        seed: seed + turn,
        steps: Math.min(stepsPerRun, steps - sent),
        onAsk: ({ key, version }) => {
          let versions = asked.get(key);
          if (!versions) asked.set(key, (versions = new Map()));
          versions.set(version, (versions.get(version) ?? 0) + 1);
          sent++;
        },
        onFinding: (finding) => {
          found.push(finding);
          return goesOn;
        },
      });
      for (const finding of found) {
        const kind = kindOf(finding);
        if (findings.has(kind)) continue;
        if (!goesOn) say(`seed ${finding.seed}: a difference; looking for the steps that it needs`);
        findings.set(kind, goesOn ? finding : await shrink(pair, finding));
        say(findingText(findings.get(kind)!));
      }
    }
  } finally {
    await stop();
  }
  return { findings: [...findings.values()], steps: sent, asked };
}

/** The same difference, whatever the numbers in it. */
function kindOf({ ask, differences }: Finding): string {
  return `${ask.key} ${differences.map((line) => line.slice(0, 150).replace(/\d+/g, 'n')).join()}`;
}
