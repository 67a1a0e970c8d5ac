/**
 * A whole installation under mixed load over all doors, with faults drawn from a seed. Ends with a verdict on
 * correctness alone; the times are reported beside it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { seededRandom } from '../../engine/kernel/random.ts';
import type { Anomaly } from './checker.ts';
import { Downtime } from './downtime.ts';
import { isPlanned, planFaults } from './fault-plan.ts';
import { readGroup } from './group-member.ts';
import { HttpClient } from './http-client.ts';
import { Injector } from './inject.ts';
import { observeOffsets, observeOnce, readCursor, readFinally, readWebSocket } from './readers.ts';
import { Recorder } from './recorder.ts';
import { type SoakReport, writeReport } from './report.ts';
import { Site } from './site.ts';
import { type Load, writeHttp, writeKafka, writeWebSocket } from './writers.ts';

export interface SoakOptions {
  /** The compiled bin/main.js. */
  readonly program: string;
  readonly seed: number;
  readonly kills: number;
  readonly brokers: number;
  readonly partitions: number;
  /** So many gateways and as many controllers, each a separate process; absent: one process with all roles. */
  readonly apart?: number;
  /** Between two requests of a writer. */
  readonly paceMs: number;
  /** Between two faults, at most. */
  readonly pauseMsMax: number;
  /** Partitions that cannot be written this long after the last fault are stuck, and so is a group that commits nothing for so long. */
  readonly stuckMs: number;
  /** The whole history, a line per entry. */
  readonly historyFile?: string;
  readonly say: (line: string) => void;
}

export interface SoakResult {
  readonly report: SoakReport;
  readonly anomalies: readonly Anomaly[];
  /** The last lines that the installation logged. */
  readonly log: readonly string[];
}

const faultsPerRound = 10;
const pollMs = 20;
const warmUpMsMax = 60_000;
/** How much longer than the group's own limit the soak waits for acknowledgements, which a busy machine delays. */
const ackPausesMax = 5;

export async function runSoak(options: SoakOptions): Promise<SoakResult> {
  const { seed, kills, partitions, say, paceMs, historyFile } = options;
  const recorder = new Recorder(options.stuckMs, historyFile);
  const downtime = new Downtime(partitions);
  const all = Array.from({ length: partitions }, (_, i) => i);
  const site = await Site.start(options, recorder);
  const injector = new Injector(site, recorder, downtime, all, () =>
    writable(options, site, downtime, recorder, all, options.stuckMs),
  );
  const stop = new AbortController();
  const load: Load = { site, recorder, downtime, partitions, paceMs, signal: stop.signal };
  const clients = startClients(load, all);
  const becomesQuiet = async (): Promise<void> => {
    await injector.settle();
    await writable(options, site, downtime, recorder, all, options.stuckMs);
    await groupCommits(recorder, all, options.stuckMs);
    site.readLog();
  };
  let isSound = false;
  try {
    await writable(options, site, downtime, recorder, all, warmUpMsMax);
    await groupCommits(recorder, all, warmUpMsMax);
    let count = 0;
    let inRound = 0;
    for (const { fault, pauseMs } of planFaults(
      seededRandom(seed),
      kills,
      options.pauseMsMax,
      options.apart !== undefined,
    )) {
      await sleep(pauseMs);
      await injector.inject(fault);
      site.readLog();
      if (!isPlanned(fault)) count++;
      if (++inRound < faultsPerRound) continue;
      inRound = 0;
      await becomesQuiet();
      say(`${count} of ${kills} faults, ${progress(recorder, downtime)}`);
      if (recorder.checker.anomalies.length > 0) break;
    }
    await becomesQuiet();
    stop.abort();
    await Promise.race([Promise.all(clients), sleep(clientsWaitMsMax)]);
    await finish(site, recorder, options.stuckMs);
    site.readLog();
    await site.stop();
    const anomalies = recorder.checker.end();
    await recorder.close();
    isSound = anomalies.length === 0;
    return { report: writeReport(options, recorder, downtime, injector, site), anomalies, log: site.log };
  } catch (cause) {
    site.readLog();
    say(site.log.slice(-40).join('\n'));
    throw cause;
  } finally {
    stop.abort();
    await (isSound ? site.remove() : leave(site, say));
  }
}

/** Some problems show in the log files only. */
async function leave(site: Site, say: (line: string) => void): Promise<void> {
  await site.stop();
  say(`its data are left in ${site.data}`);
}

const clientsWaitMsMax = 20_000;

function startClients(load: Load, all: readonly number[]): Promise<void>[] {
  const even = all.filter((p) => p % 2 === 0);
  const odd = all.filter((p) => p % 2 === 1);
  return [
    ...all.map((partition) => writeHttp(load, partition)),
    writeWebSocket(load, even),
    writeWebSocket(load, odd),
    writeKafka(load, 'idempotent', -1, even),
    writeKafka(load, 'idempotent', -1, all),
    writeKafka(load, 'plain', -1, odd),
    writeKafka(load, 'plain', 1, all),
    readCursor(load, 'cursor http'),
    readWebSocket(load, 'cursor websocket'),
    readGroup(load),
    readGroup(load),
    observeOffsets(load),
  ];
}

function progress({ checker }: Recorder, downtime: Downtime): string {
  const { acked, read, commits } = checker.counts;
  const { p50Ms, p99Ms, maxMs } = downtime.times();
  const times = `to writable p50 ${p50Ms}, p99 ${p99Ms}, longest ${maxMs} ms`;
  return `${acked} acknowledged, ${read} read, ${commits} commits, ${times}, ${checker.anomalies.length} anomalies`;
}

/** After the last fault every broker has to serve and every partition has to accept a write, or it is stuck. */
async function writable(
  { brokers }: SoakOptions,
  site: Site,
  downtime: Downtime,
  recorder: Recorder,
  all: readonly number[],
  waitMsMax: number,
): Promise<void> {
  const sinceMs = performance.now();
  const silent = (): number[] => all.filter((partition) => downtime.lastWriteSentMs(partition) < sinceMs);
  let serving = 0;
  while (performance.now() - sinceMs < waitMsMax) {
    if (silent().length === 0) {
      serving = (await site.brokers()).filter(({ state }) => state === 'serving').length;
      if (serving === brokers) return;
    }
    await sleep(pollMs);
  }
  const what = `${waitMsMax} ms after the last fault partitions ${silent().join(' ')} take no write, ${serving} of ${brokers} brokers serve`;
  recorder.add({ kind: 'stuck', what });
}

/**
 * How long the group may take to commit in every partition before it counts as stuck. This includes the time to form,
 * and to form again: the group waits for a dead member until its session ends, and every move of the coordinator
 * restarts that session, here as in Apache Kafka.
 */
async function groupCommits(recorder: Recorder, all: readonly number[], waitMsMax: number): Promise<void> {
  const { pauses } = recorder.checker;
  const before = all.map((partition) => pauses.commitsOf(partition));
  const silent = (): number[] => all.filter((partition) => pauses.commitsOf(partition) === before[partition]);
  const sinceMs = pauses.clockMs;
  const deadlineMs = performance.now() + waitMsMax * ackPausesMax;
  while (silent().length > 0) {
    if (pauses.clockMs - sinceMs > waitMsMax || performance.now() > deadlineMs) {
      const what = `the group commits nothing of partitions ${silent().join(' ')} in ${waitMsMax} ms without a fault`;
      recorder.add({ kind: 'stuck', what });
      return;
    }
    await sleep(pollMs);
  }
}

/** Reads what remains, and where the group stands. */
async function finish(site: Site, recorder: Recorder, waitMsMax: number): Promise<void> {
  const client = new HttpClient(site.places().http, site.access.apiKey);
  const isRead = await readFinally(site, recorder, waitMsMax);
  if (!isRead) recorder.add({ kind: 'stuck', what: 'the final reader does not reach the end' });
  if (!(await observeOnce(client, recorder, 'final'))) {
    recorder.add({ kind: 'stuck', what: 'the group does not show its offsets' });
  }
  client.close();
}
