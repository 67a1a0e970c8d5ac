/**
 * Rules of classic groups that depend on time, or on the order of requests: the generator cannot draw them. Each script
 * is played to both sides, and its members must get the same answers.
 */
import type { Access } from '../clients/targets.ts';
import { until } from '../clients/processes.ts';
import { type Member, Script } from './group-script.ts';

type Rule = (script: Script) => Promise<void>;

/** The shortest session that both take. */
const shortestMs = 6_000;

/** Two members in a stable generation; the first leads. A third may be waiting to join. */
async function pair(script: Script, second: Parameters<Script['member']>[1] = {}): Promise<[Member, Member]> {
  const first = await script.member('first');
  script.say('first joins', await first.enter());
  await first.sync([first]);
  const other = await script.member('second', second);
  // A dynamic member has its id before its join begins the rebalance.
  if (second.instanceId === undefined) await other.join();
  const joining = other.join();
  await first.until('PreparingRebalance', 2);
  script.say('first again', await first.join());
  script.say('second joins', await joining);
  const synced = other.sync();
  script.say('first syncs', await first.sync([first, other]));
  script.say('second syncs', await synced);
  return [first, other];
}

const groupRules: Readonly<Record<string, Rule>> = {
  'a session that ends empties the group, which keeps its offsets': async (script) => {
    const member = await script.member('member', { sessionTimeoutMs: shortestMs });
    script.say('joins', await member.enter());
    script.say('syncs', await member.sync([member]));
    script.say('commits', await member.commit(7));
    await member.until('Empty', 0);
    script.say('described', await member.described());
    script.say('beats', await member.heartbeat());
    script.say('syncs again', await member.sync());
    script.say('commits again', await member.commit(8));
    script.say('joins with its id', await member.join());
    script.say('anybody commits', await member.commit(9, 'nobody'));
    script.say('offset', await member.committed());
    const worker = await script.member('worker', { protocolType: 'connect', protocol: ['eager', 'x'] });
    script.say('another type', await worker.enter());
    script.say('offset of a group with members', await worker.deleteOffset());
    script.say('anybody commits now', await worker.commit(10, 'nobody'));
  },
  'the session of a static member ends too, and its instance is free': async (script) => {
    const member = await script.member('member', { instanceId: 'i', sessionTimeoutMs: shortestMs });
    script.say('joins', await member.enter());
    script.say('syncs', await member.sync([member]));
    await member.until('Empty', 0);
    script.say('beats', await member.heartbeat());
    script.say('joins with its id', await member.join());
    const next = await script.member('next', { instanceId: 'i' });
    script.say('next joins', await next.enter());
  },
  'who does not come again within the rebalance time-out is out': async (script) => {
    const [first, second] = await pair(script);
    const third = await script.member('third');
    await third.join();
    const joining = third.join();
    await first.until('PreparingRebalance', 3);
    script.say('second beats', await second.heartbeat());
    script.say('second commits', await second.commit(5));
    script.say('first again', await first.join());
    script.say('third joins', await joining);
    script.say('second beats, out', await second.heartbeat());
    script.say('second joins with its id', await second.join());
  },
  'a static member that does not come again stays': async (script) => {
    const [first, second] = await pair(script, { instanceId: 's' });
    const third = await script.member('third');
    await third.join();
    const joining = third.join();
    await first.until('PreparingRebalance', 3);
    script.say('first again', await first.join());
    script.say('third joins', await joining);
    script.say('second beats', await second.heartbeat());
    script.say('described', await first.described());
  },
  'who never asks for its assignment is out after the rebalance time-out': async (script) => {
    const [first, second] = await pair(script);
    const [again] = await Promise.all([first.join(), second.until('PreparingRebalance', 2).then(() => second.join())]);
    script.say('first again', again);
    script.say('first syncs', await first.sync([first, second]));
    await first.until('PreparingRebalance', 1);
    script.say('first beats', await first.heartbeat());
    script.say('second syncs late', await second.sync());
    script.say('first alone', await first.join());
  },
  'an id that was handed out holds a rebalance up until its session ends': async (script) => {
    const first = await script.member('first', { rebalanceTimeoutMs: 20_000, sessionTimeoutMs: 20_000 });
    script.say('joins', await first.enter());
    await first.sync([first]);
    const absent = await script.member('absent', { sessionTimeoutMs: shortestMs });
    script.say('an id', await absent.join());
    const third = await script.member('third', { rebalanceTimeoutMs: 20_000, sessionTimeoutMs: 20_000 });
    await third.join();
    const joining = third.join();
    await first.until('PreparingRebalance', 2);
    script.say('first again', await first.join());
    script.say('third joins', await joining);
    script.say('the id', await absent.join());
  },
  'an id that leaves holds nothing up': async (script) => {
    const first = await script.member('first', { rebalanceTimeoutMs: 60_000, sessionTimeoutMs: 60_000 });
    script.say('joins', await first.enter());
    await first.sync([first]);
    const absent = await script.member('absent', { sessionTimeoutMs: 60_000 });
    await absent.join();
    const third = await script.member('third', { rebalanceTimeoutMs: 60_000, sessionTimeoutMs: 60_000 });
    await third.join();
    const joining = third.join();
    await absent.until('PreparingRebalance', 2);
    const again = first.join();
    script.say('leaves', await absent.leave());
    script.say('first again', await again);
    script.say('third joins', await joining);
  },
  'a leader that leaves sends its waiting followers back': async (script) => {
    const [first, second] = await pair(script);
    const [again] = await Promise.all([first.join(), second.until('PreparingRebalance', 2).then(() => second.join())]);
    script.say('first again', again);
    const waiting = second.sync();
    const admin = await script.member('admin');
    await admin.until('CompletingRebalance', 2);
    script.say('leaves', await admin.leave([{ memberId: first.id }]));
    script.say('second syncs', await waiting);
    script.say('second again', await second.join());
  },
  'static members are replaced in each version without a rebalance': async (script) => {
    const member = await script.member('member 0', { instanceId: 'i' });
    script.say('joins', await member.enter());
    script.say('syncs', await member.sync([member]));
    for (const [i, version] of [5, 7, 8, 9, 6].entries()) {
      const next = await script.member(`member ${i + 1}`, { instanceId: 'i' });
      script.say(`replaced in v${version}`, await next.join({ version }));
      script.say('syncs', await next.sync());
      script.say('beats', await next.heartbeat());
    }
    script.say('the first beats', await member.heartbeat());
    script.say('the first commits', await member.commit(1));
    script.say('the first joins', await member.join());
    script.say('leaves by instance', await member.leave([{ memberId: '', groupInstanceId: 'i' }]));
    script.say('described', await member.described());
  },
};

const topicWaitMsMax = 30_000;

/** The answers that each rule's script gets from one side. */
export async function playGroupRules(access: Access, prefix: string): Promise<Record<string, readonly string[]>> {
  const topic = `${prefix}-t`;
  const setUp = new Script(access, `${prefix}-none`, topic);
  const admin = await setUp.member('admin');
  const topics = [{ name: topic, numPartitions: 1, replicationFactor: 1 }];
  await admin.ask(19, 5, { topics, timeoutMs: 10_000 });
  await until('offsets can be stored', topicWaitMsMax, async () => (await admin.commit(0, 'nobody')) === 0);
  setUp.end();
  const played = Object.entries(groupRules).map(async ([name, rule], i): Promise<[string, readonly string[]]> => {
    const script = new Script(access, `${prefix}-${i}`, topic);
    try {
      await rule(script);
    } finally {
      script.end();
    }
    return [name, script.facts];
  });
  return Object.fromEntries(await Promise.all(played));
}
