/** What a history can be found guilty of. */
export type AnomalyName =
  | 'lost-write'
  | 'duplicate'
  | 'reorder'
  | 'divergence'
  | 'invented-record'
  | 'offset-gap'
  | 'truncated'
  | 'high-watermark-falls'
  | 'stale-end'
  | 'log-start-falls'
  | 'told-too-early'
  | 'wrong-epoch-end'
  | 'kept-too-little'
  | 'cut-not-done'
  | 'cut-too-far'
  | 'deleted-read'
  | 'wrong-time'
  | 'answered-early'
  | 'poll-not-woken'
  | 'drained-early'
  | 'misplaced'
  | 'leader-epoch-falls'
  | 'stale-owner-ack'
  | 'two-acking-owners'
  | 'lease-overlap'
  | 'needless-kill'
  | 'epoch-mismatch'
  | 'sequence-lost'
  | 'untrue-refusal'
  | 'producer-id-twice'
  | 'committed-offset-falls'
  | 'stale-member-commit'
  | 'generation-falls'
  | 'two-group-owners'
  | 'two-plans'
  | 'too-many-bytes'
  | 'move-noticed'
  | 'unnoticed-rot'
  | 'stuck'
  | 'leak'
  | 'bug';

export interface Anomaly {
  readonly name: AnomalyName;
  readonly atMs: number;
  readonly where: string;
  readonly what: string;
}

/** What the judges have found so far, in the order in which it shows. */
export class Findings {
  readonly all: Anomaly[] = [];

  report(name: AnomalyName, atMs: number, where: string, what: string): void {
    this.all.push({ name, atMs, where, what });
  }
}
