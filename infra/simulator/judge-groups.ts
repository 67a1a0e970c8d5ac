/** What groups committed and found, and which members were given the same part of a generation. */
import { errorCode, volumeFullCode } from '../../engine/protocol/error-codes.ts';
import type { Findings } from './anomaly.ts';
import type { TimedEntry } from './history.ts';

/** With one of these codes a commit is not stored. A commit that may be stored gets another code (unsureCode). */
const notStored: ReadonlySet<number> = new Set([
  volumeFullCode,
  errorCode.notCoordinator,
  errorCode.coordinatorNotAvailable,
  errorCode.coordinatorLoadInProgress,
]);

export class JudgeOfGroups {
  readonly #findings: Findings;
  /** The highest offset that each group has sent for a partition. */
  readonly #tried = new Map<string, number>();
  /** Commits that were never acknowledged: over the connection of a gateway that died they may still arrive. */
  readonly #doubtful = new Set<string>();
  /** For each group, partition and offset: the number of commits, less those reported as not stored. */
  readonly #mayBeKept = new Map<string, number>();
  /** Of which a deletion may come still. */
  readonly #mayGo = new Set<string>();
  /** Of each group, generation and partition. */
  readonly #owners = new Map<string, string>();
  /** Of each group and generation. */
  readonly #plans = new Map<string, string>();

  constructor(findings: Findings) {
    this.#findings = findings;
  }

  committed(entry: TimedEntry & { kind: 'commit' | 'position' }): void {
    const { group, partition, offset } = entry;
    const name = `${group} ${partition}`;
    const tried = this.#tried.get(name) ?? -1;
    const kept = this.#mayBeKept.get(`${name} ${offset}`);
    if (entry.kind === 'commit') {
      this.#tried.set(name, Math.max(tried, offset));
      this.#mayBeKept.set(`${name} ${offset}`, (kept ?? 0) + 1);
    } else if (kept === 0) {
      this.#findings.report(
        'untrue-refusal',
        entry.atMs,
        name,
        `the commit of ${offset} is not stored, it was said, and it is there`,
      );
    } else if (offset >= 0 && offset <= (entry.gone ?? -1) && !this.#doubtful.has(`${name} ${offset}`)) {
      this.#findings.report('committed-offset-falls', entry.atMs, name, `${offset} was deleted, and is back`);
    } else if (offset < 0 && this.#mayGo.has(name)) {
      return;
    } else if ((offset < entry.acked || offset > tried) && !this.#doubtful.has(`${name} ${offset}`)) {
      const what = `committed ${entry.acked}, tried ${tried}, found ${offset}`;
      this.#findings.report('committed-offset-falls', entry.atMs, name, what);
    }
  }

  unforgotten({ group, partition }: TimedEntry & { kind: 'unforgotten' }): void {
    this.#mayGo.add(`${group} ${partition}`);
  }

  commitTold({ atMs, group, partition, offset, code, by }: TimedEntry & { kind: 'committed' }): void {
    const name = `${group} ${partition} ${offset}`;
    if (notStored.has(code)) this.#mayBeKept.set(name, (this.#mayBeKept.get(name) ?? 1) - 1);
    if (code !== 0 && code !== volumeFullCode) this.#doubtful.add(name);
    if (code !== 0 || !by || by.generation >= by.known) return;
    const what = `${by.member} of generation ${by.generation} committed ${offset} when ${by.known} had begun`;
    this.#findings.report('stale-member-commit', atMs, group, what);
  }

  joined(entry: TimedEntry & { kind: 'joined' }): void {
    const { atMs, group, member, generation, known, plan = '', partitions } = entry;
    if (generation < known) {
      this.#findings.report(
        'generation-falls',
        atMs,
        group,
        `${member} joined generation ${generation} after ${known}`,
      );
    }
    const before = this.#plans.get(`${group} ${generation}`) ?? plan;
    if (plan !== '' && before !== plan) {
      const what = `generation ${generation} was told the plan of ${before}, and ${member} that of ${plan}`;
      this.#findings.report('two-plans', atMs, group, what);
    }
    if (plan !== '') this.#plans.set(`${group} ${generation}`, plan);
    for (const partition of partitions) {
      const key = `${group} ${generation} ${partition}`;
      const owner = this.#owners.get(key) ?? member;
      if (owner !== member) {
        const what = `${owner} and ${member} own ${partition} in generation ${generation}`;
        this.#findings.report('two-group-owners', atMs, group, what);
      }
      this.#owners.set(key, member);
    }
  }
}
