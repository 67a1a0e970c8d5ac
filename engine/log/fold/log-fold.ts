/** What follows from a log's batches in order: its producers and leader epochs. Saved with each segment. */
import { Failure } from '../../kernel/failure.ts';
import type { BatchHeader } from '../../records/batch.ts';
import { LeaderEpochs } from './leader-epochs.ts';
import { ProducerState } from './producer-state.ts';
import type { StateSnapshot } from '../segments/segment-format.ts';
import type { LogSettings } from '../settings.ts';

/** A stored batch, or what the log's rows say of those before it, has an epoch that no broker can have written. */
export class LeaderEpochFell extends Failure {
  readonly code = 'data-corrupt';
  constructor({ baseOffset, leaderEpoch }: BatchHeader, latest: number) {
    super(`the batch at offset ${baseOffset} has leader epoch ${leaderEpoch}, behind batches of epoch ${latest}`);
  }
}

export class LogFold {
  readonly producers: ProducerState;
  readonly epochs: LeaderEpochs;

  constructor(snapshot?: StateSnapshot) {
    this.producers = snapshot ? ProducerState.restore(snapshot.producers) : new ProducerState();
    this.epochs = new LeaderEpochs(snapshot?.epochs);
  }

  /**
   * Takes in a batch that is in the log. Throws LeaderEpochFell: where the batches come from stored bytes, or follow what a
   * row says, a wrong epoch is damage to this one log.
   */
  add(header: BatchHeader, nowMs: number, settings: LogSettings): void {
    if (header.leaderEpoch < this.epochs.latest) throw new LeaderEpochFell(header, this.epochs.latest);
    this.epochs.observe(header.leaderEpoch, header.baseOffset);
    this.producers.fold(header, nowMs, settings.producersPerLogMax);
  }

  snapshot(): StateSnapshot {
    return { producers: this.producers.snapshot(), epochs: this.epochs.snapshot() };
  }

  clone(): LogFold {
    const copy = new LogFold({ producers: [], epochs: this.epochs.snapshot() });
    copy.producers.copyFrom(this.producers);
    return copy;
  }
}
