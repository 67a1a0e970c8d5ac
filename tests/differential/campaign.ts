/** Both sides, and run after run against them. Its seed decides every step. */
import type { ApiKey } from '../../engine/protocol/apis.ts';
import { startApacheKafka } from '../clients/apache-kafka.ts';
import type { Access } from '../clients/targets.ts';
import type { AskStep } from './steps.ts';
import { startInstallation } from '../installation.ts';
import { playGroupRules } from './group-rules.ts';
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
  /**
   * Whether a run continues after a difference: this shows many at once, some of them only consequences of an earlier
   * one.
   */
  readonly goesOn: boolean;
  readonly say: (line: string) => void;
}

type Told = Awaited<ReturnType<typeof playGroupRules>>;

interface Started {
  readonly pair: Pair;
  readonly access: { readonly kafka: Access; readonly headgate: Access };
  readonly headgate: StartedHeadgate;
  readonly stop: () => Promise<void>;
}

/** What a Headgate cluster says of itself, said to Kafka; nothing is made by accident. */
const kafkaProperties = {
  'auto.create.topics.enable': 'false',
  'num.partitions': 1,
  'broker.rack': 'a',
  'controller.quorum.append.linger.ms': 0,
  'group.max.session.timeout.ms': 1_800_000,
  // Every ten minutes by default: groups that no step has touched would go in the middle of a run.
  'offsets.retention.check.interval.ms': 86_400_000,
};

interface StartedHeadgate {
  readonly access: Access;
  /** Its messages to the operator. */
  readonly events: () => readonly string[];
  /** How many Fetches it has answered before the owner of each partition had reported. */
  readonly lateFetches: () => Promise<number>;
  readonly stop: () => Promise<void>;
}

async function startHeadgate(): Promise<StartedHeadgate> {
  const instance = await startInstallation();
  try {
    const { tenantId } = await instance.admin<{ tenantId: string }>('POST', '/tenants', { name: client });
    const cluster = { tenantId, name: client, profile: 'unlimited', defaultPartitions: 1, autoCreateTopics: false };
    const { clusterId } = await instance.admin<{ clusterId: string }>('POST', '/clusters', cluster);
    const keys = `/clusters/${clusterId}/keys`;
    const { keyId, apiKey } = await instance.admin<{ keyId: string; apiKey: string }>('POST', keys, { name: client });
    const access = { bootstrap: instance.kafka, username: keyId, password: apiKey };
    return {
      access,
      events: () => instance.errors,
      lateFetches: () => lateFetches(instance.environment['HEADGATE_ADMIN']!),
      stop: () => instance.remove(),
    };
  } catch (error) {
    await instance.remove();
    throw error;
  }
}

async function lateFetches(admin: string): Promise<number> {
  const text = await (await fetch(`${admin}/metrics`)).text();
  const count = /^headgate_late_fetches_total (\d+)$/m.exec(text)?.[1];
  if (count === undefined) throw new Error('Headgate does not say how many Fetches were late');
  return Number(count);
}

async function startPair(): Promise<Started> {
  const starting = [startApacheKafka([client], kafkaProperties), startHeadgate()] as const;
  const [kafka, headgate] = await Promise.all(starting).catch(async (error: unknown) => {
    // If one fails to start, nobody else would stop the other.
    for (const one of await Promise.allSettled(starting)) if (one.status === 'fulfilled') await one.value.stop();
    throw error;
  });
  const pair = { kafka: new Side('kafka', kafka.access[client]), headgate: new Side('headgate', headgate.access) };
  const stop = async (): Promise<void> => {
    pair.kafka.end();
    pair.headgate.end();
    await Promise.all([kafka.stop(), headgate.stop()]);
  };
  try {
    await Promise.all([pair.kafka.prepare(), pair.headgate.prepare()]);
    return { pair, access: { kafka: kafka.access[client], headgate: headgate.access }, headgate, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

export async function campaign({ seed, steps, findingsMax, goesOn, say }: CampaignOptions): Promise<Outcome> {
  const asked = new Map<ApiKey, Map<number, number>>();
  const findings = new Map<string, Finding>();
  const { pair, headgate, stop } = await startPair();
  let sent = 0;
  const onAsk = ({ key, version }: AskStep): void => {
    let versions = asked.get(key);
    if (!versions) asked.set(key, (versions = new Map()));
    versions.set(version, (versions.get(version) ?? 0) + 1);
    sent++;
  };
  try {
    for (let turn = 0; sent < steps && findings.size < findingsMax; turn++) {
      const options = { seed: seed + turn, steps: Math.min(stepsPerRun, steps - sent), onAsk, goesOn };
      for (const finding of await runUndisturbed(pair, headgate, options, say)) {
        const kind = kindOf(finding);
        if (findings.has(kind)) continue;
        if (!goesOn) {
          const [first] = finding.differences;
          say(`seed ${finding.seed}, step ${finding.at}: ${first}; looking for the steps that it needs`);
        }
        findings.set(kind, goesOn ? finding : await shrink(pair, finding));
        say(findingText(findings.get(kind)!));
      }
    }
  } finally {
    await stop();
  }
  return { findings: [...findings.values()], steps: sent, asked };
}

interface TurnOptions {
  readonly seed: number;
  readonly steps: number;
  readonly onAsk: (ask: AskStep) => void;
  readonly goesOn: boolean;
}

/** Events of a Headgate in which something has another owner than before. */
const changesOwners = /partitions-moved|broker-fenced|broker-started/;
const triesMax = 3;
const fetchKey = 1;

/**
 * The findings of one run. A difference does not count if an owner changed meanwhile, which never happens to the single
 * broker of the other side: on a busy machine a broker may count as dead, and the balance follows the load. Headgate
 * then forgets a member id that has not joined yet, for example, as Kafka does when a group's coordinator changes. A
 * difference in a Fetch must show again if Headgate has answered a Fetch without a slow owner.
 */
async function runUndisturbed(
  pair: Pair,
  { events, lateFetches }: StartedHeadgate,
  { seed, steps, onAsk, goesOn }: TurnOptions,
  say: (line: string) => void,
): Promise<Finding[]> {
  for (let attempt = 1; ; attempt++) {
    const before = new Set(events());
    const lateBefore = await lateFetches();
    const found: Finding[] = [];
    let failure: unknown;
    const onFinding = (finding: Finding): boolean => {
      found.push(finding);
      return goesOn;
    };
    try {
      await run(pair, { seed, steps, onAsk, onFinding });
    } catch (error) {
      failure = error;
    }
    if (found.length === 0 && failure === undefined) return [];
    const fresh = events().filter((line) => !before.has(line));
    for (const line of fresh) say(`seed ${seed}: headgate says ${line}`);
    const isMoved = fresh.some((line) => changesOwners.test(line));
    const late = (await lateFetches()) - lateBefore;
    const isSlow = failure === undefined && late > 0 && found.every(({ ask }) => ask.key === fetchKey);
    if (isMoved && attempt < triesMax) say(`seed ${seed}: an owner changed, once more`);
    else if (isSlow && attempt < triesMax)
      say(`seed ${seed}: ${late} Fetches were answered without an owner that was slow, once more`);
    else if (failure === undefined) return found;
    else throw failure;
  }
}

/** The same difference, whatever the numbers in it. */
function kindOf({ ask, differences }: Finding): string {
  return `${ask.key} ${differences.map((line) => line.slice(0, 150).replace(/\d+/g, 'n')).join()}`;
}

/** What both sides tell the scripted groups; played again where an owner changed meanwhile and what they tell differs. */
export async function groupRulesOfBoth(say: (line: string) => void): Promise<{ kafka: Told; headgate: Told }> {
  const { access, headgate, stop } = await startPair();
  try {
    for (let attempt = 1; ; attempt++) {
      const before = new Set(headgate.events());
      const [kafka, own] = await Promise.all([
        playGroupRules(access.kafka, `rules-${attempt}`),
        playGroupRules(access.headgate, `rules-${attempt}`),
      ]);
      const isMoved = headgate.events().some((line) => !before.has(line) && changesOwners.test(line));
      if (!isMoved || attempt === triesMax || JSON.stringify(kafka) === JSON.stringify(own))
        return { kafka, headgate: own };
      say('scripted groups: an owner changed, once more');
    }
  } finally {
    await stop();
  }
}
