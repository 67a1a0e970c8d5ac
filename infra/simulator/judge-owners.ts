/** Which brokers acknowledge, with what right, and which of them lose it. */
import type { Findings } from './anomaly.ts';
import type { PartitionName, TimedEntry } from './history.ts';

interface Owner {
  readonly leaderEpoch: number;
  readonly brokerId: number;
  readonly sessionEpoch: number;
}

const nobody: Owner = { leaderEpoch: -1, brokerId: -1, sessionEpoch: -1 };

export class JudgeOfOwners {
  readonly #findings: Findings;
  /** The broker that acknowledged last. */
  readonly #latest = new Map<PartitionName, Owner>();

  constructor(findings: Findings) {
    this.#findings = findings;
  }

  /** A slot that starts again in place keeps its epoch: its sessions follow one another. */
  acked(entry: TimedEntry & { kind: 'acked' }): void {
    const { atMs, partition: name, brokerId, sessionEpoch, leaderEpoch, offset } = entry;
    const { leaderEpoch: ackEpoch, brokerId: ackBroker, sessionEpoch: ackSession } = this.#latest.get(name) ?? nobody;
    if (entry.isFenced) {
      this.#findings.report(
        'stale-owner-ack',
        atMs,
        name,
        `${brokerId}@${sessionEpoch} is fenced and acknowledges ${offset}`,
      );
    }
    if (entry.sentEpoch >= 0 && entry.sentEpoch !== leaderEpoch) {
      const what = `sent at epoch ${entry.sentEpoch}, acknowledged at ${leaderEpoch}, offset ${offset}`;
      this.#findings.report('epoch-mismatch', atMs, name, what);
    }
    if (leaderEpoch < ackEpoch || (leaderEpoch === ackEpoch && brokerId === ackBroker && sessionEpoch < ackSession)) {
      const what = `${brokerId}@${sessionEpoch} acknowledges ${offset} at epoch ${leaderEpoch}, ${ackBroker}@${ackSession} did at ${ackEpoch}`;
      this.#findings.report('stale-owner-ack', atMs, name, what);
      return;
    }
    if (leaderEpoch === ackEpoch && brokerId !== ackBroker) {
      const what = `brokers ${ackBroker} and ${brokerId} acknowledge at epoch ${leaderEpoch}`;
      this.#findings.report('two-acking-owners', atMs, name, what);
    }
    this.#latest.set(name, { leaderEpoch, brokerId, sessionEpoch });
  }

  overlap({ atMs, brokerId, sessionEpoch }: TimedEntry & { kind: 'overlap' }): void {
    const what = `${brokerId}@${sessionEpoch} is fenced, and its lease is valid`;
    this.#findings.report('lease-overlap', atMs, '', what);
  }

  needlessKill({ atMs, brokerId, sessionEpoch }: TimedEntry & { kind: 'needless-kill' }): void {
    const what = `${brokerId}@${sessionEpoch} runs and renews its lease, and is to be killed`;
    this.#findings.report('needless-kill', atMs, '', what);
  }
}
