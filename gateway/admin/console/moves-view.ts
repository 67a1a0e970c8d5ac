/** The latest moves of partitions, and why. */
import type { EngineShown } from '../engine-schemas.ts';
import { KeyedList, make, setText } from './dom.ts';
import { durationText } from './format.ts';

type Move = EngineShown['moves'][number];

const shownMax = 14;

export class MovesView {
  readonly #empty: HTMLElement;
  readonly #rows: KeyedList<Move, HTMLTableRowElement>;

  constructor(body: HTMLElement, empty: HTMLElement) {
    this.#empty = empty;
    this.#rows = new KeyedList(body, (move) => {
      const topic = make('td', 'move-topic', move.topic);
      topic.title = `${move.topic}, partition ${move.partition}, cluster ${move.clusterId}`;
      const to = move.broker === null ? 'nobody' : `broker ${move.broker}`;
      return make(
        'tr',
        '',
        topic,
        make('td', 'number', String(move.partition)),
        make('td', '', make('span', 'tag', to)),
        make('td', 'move-reason', move.reason),
        make('td', 'number'),
      );
    });
  }

  show(moves: readonly Move[], nowMs: number): void {
    this.#empty.hidden = moves.length > 0;
    this.#rows.show(
      moves.slice(0, shownMax),
      ({ clusterId, topic, internal, partition, epoch }) =>
        JSON.stringify([clusterId, internal, topic, partition, epoch]),
      (row, { movedAtMs }) => setText(row.lastElementChild as HTMLElement, `${durationText(nowMs - movedAtMs)} ago`),
    );
  }
}
