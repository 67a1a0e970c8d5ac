/** What follows from a log's batches in order: its producers and leader epochs. Saved with each segment. */
import type { BatchHeader } from '../../records/batch.ts';
import { LeaderEpochs } from './leader-epochs.ts';
import { ProducerState } from './producer-state.ts';
import type { StateSnapshot } from '../segments/segment-format.ts';
import type { LogSettings } from '../settings.ts';

export class LogFold {
  readonly producers: ProducerState;
  readonly epochs: LeaderEpochs;

  constructor(snapshot?: StateSnapshot) {
    this.producers = snapshot ? ProducerState.restore(snapshot.producers) : new ProducerState();
    this.epochs = new LeaderEpochs(snapshot?.epochs);
  }

  /** Takes in a batch that is in the log. */
  add(header: BatchHeader, nowMs: number, settings: LogSettings): void {
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
