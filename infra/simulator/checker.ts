/**
 * Judges a history and names what is wrong with it. Pure: its tests plant histories. A request without an answer may or
 * may not have taken effect, so it proves nothing by itself. A record that was acknowledged or read once is promised
 * for good. The consumer `final` reads when everything is quiet, and so shows what remains.
 */
import { type Anomaly, Findings } from './anomaly.ts';
import type { Entry, TimedEntry } from './history.ts';
import { JudgeOfBounds } from './judge-bounds.ts';
import { JudgeOfDeletions } from './judge-deletions.ts';
import { JudgeOfGroups } from './judge-groups.ts';
import { JudgeOfOwners } from './judge-owners.ts';
import { JudgeOfProducers } from './judge-producers.ts';
import { JudgeOfRecords } from './judge-records.ts';
import { JudgedPartitions } from './judged-partition.ts';

const anomaliesMax = 50;
/** Of entries that say all of it themselves. */
const saidBy = {
  unnoticed: 'unnoticed-rot',
  leak: 'leak',
  unsettled: 'move-noticed',
  stuck: 'stuck',
  unwoken: 'poll-not-woken',
  undrained: 'drained-early',
  misplaced: 'misplaced',
  died: 'needless-kill',
  overfed: 'too-many-bytes',
} as const;
/** Of the time that a fetch may wait: clocks of processes differ. */
const waitShareMin = 0.98;

type SaidEntry = TimedEntry & { readonly kind: keyof typeof saidBy };

function isSaid(entry: TimedEntry): entry is SaidEntry {
  return entry.kind in saidBy;
}

/** In the order in which they appear; at most a few dozen. */
export function check(history: readonly TimedEntry[]): Anomaly[] {
  const judge = new Judge();
  for (const entry of history) judge.see(entry);
  judge.end(history.at(-1)?.atMs ?? 0);
  return judge.anomalies.slice(0, anomaliesMax);
}

/** For a history that still grows: returns whether what is there now is enough for a verdict of guilty. */
export function watchHistory(history: readonly TimedEntry[]): () => boolean {
  const judge = new Judge();
  let seen = 0;
  return () => {
    while (seen < history.length) judge.see(history[seen++]!);
    return judge.anomalies.length > 0;
  };
}

/** Gives each entry to the judge of its subject. */
class Judge {
  readonly #findings = new Findings();
  readonly #partitions = new JudgedPartitions();
  readonly #records = new JudgeOfRecords(this.#findings, this.#partitions);
  readonly #producers = new JudgeOfProducers(this.#findings, this.#partitions, this.#records);
  readonly #bounds = new JudgeOfBounds(this.#findings, this.#partitions);
  readonly #deletions = new JudgeOfDeletions(this.#findings, this.#partitions);
  readonly #owners = new JudgeOfOwners(this.#findings);
  readonly #groups = new JudgeOfGroups(this.#findings);
  readonly #producerIds = new Set<number>();
  #mayRot = false;

  get anomalies(): readonly Anomaly[] {
    return this.#findings.all;
  }

  see(entry: TimedEntry): void {
    switch (entry.kind) {
      case 'topic':
        return this.#topic(entry);
      case 'cutting':
      case 'cut':
      case 'uncut':
        return this.#deletions.cut(entry);
      case 'time':
        return this.#bounds.time(entry);
      case 'poll':
        return this.#poll(entry);
      case 'bound':
        return this.#bounds.bound(entry);
      case 'epoch-end':
        return this.#bounds.epochEnd(entry);
      case 'deleted':
        this.#partitions.of(entry.partition).isDeleted = true;
        return;
      case 'send':
        return this.#producers.send(entry);
      case 'sent':
        return this.#producers.sent(entry);
      case 'read':
        this.#deletions.start(entry);
        return this.#records.read(entry);
      case 'acked':
        return this.#owners.acked(entry);
      case 'commit':
      case 'position':
        return this.#groups.committed(entry);
      case 'committed':
        return this.#groups.commitTold(entry);
      case 'unforgotten':
        return this.#groups.unforgotten(entry);
      case 'joined':
        return this.#groups.joined(entry);
      case 'overlap':
        return this.#owners.overlap(entry);
      case 'needless-kill':
        return this.#owners.needlessKill(entry);
      case 'producer-id':
        if (this.#producerIds.has(entry.id)) {
          this.#findings.report('producer-id-twice', entry.atMs, '', `${entry.id} has been given to two`);
        }
        this.#producerIds.add(entry.id);
        return;
      case 'rot':
        this.#mayRot = true;
        return;
      case 'clock-set':
        return this.#deletions.clockSet();
      case 'bug':
        return this.#findings.report('bug', entry.atMs, entry.where, entry.what);
      default:
        if (isSaid(entry)) this.#findings.report(saidBy[entry.kind], entry.atMs, '', entry.what);
    }
  }

  end(atMs: number): void {
    for (const [name, partition] of this.#partitions) {
      if (partition.isDeleted || partition.finalStart < 0) continue;
      this.#records.checkLost(name, partition, atMs, this.#mayRot);
      this.#producers.checkRefused(name, partition, atMs);
      this.#producers.checkOrder(name, partition, atMs);
      this.#bounds.checkTold(name, partition, atMs);
      this.#bounds.checkEpochEnds(name, partition);
      this.#bounds.checkTimes(name, partition);
      if (!this.#mayRot) this.#deletions.checkKept(name, partition, atMs);
    }
  }

  #topic(entry: TimedEntry & { kind: 'topic' }): void {
    const { partition: name, isBounded, keptBytes = 0, keptMs = 0, looksMs = 0, isCutOnly = false } = entry;
    const partition = this.#partitions.of(name);
    partition.isBounded = isBounded;
    partition.keptBytes = keptBytes;
    partition.keptMs = keptMs;
    partition.looksMs = looksMs;
    partition.isCutOnly = isCutOnly;
  }

  #poll({ atMs, consumer, waitedMs, maxWaitMs, bytes, minBytes }: TimedEntry & { kind: 'poll' }): void {
    if (bytes >= minBytes || waitedMs >= maxWaitMs * waitShareMin) return;
    const what = `${consumer} was told of ${bytes} bytes after ${Math.round(waitedMs)} ms, and had asked for ${minBytes} within ${maxWaitMs}`;
    this.#findings.report('answered-early', atMs, '', what);
  }
}

/** Whether an entry is worth a line in the story of a failure. */
export function isStory(entry: Entry): boolean {
  return (
    entry.kind === 'fault' ||
    entry.kind === 'engine' ||
    entry.kind === 'bug' ||
    entry.kind === 'stuck' ||
    entry.kind === 'leak'
  );
}
