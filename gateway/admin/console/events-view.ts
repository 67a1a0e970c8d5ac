/** What the engine decided and why, the latest on top. Screen readers announce each event as it arrives. */
import type { EventShown } from '../schemas.ts';
import { KeyedList, make, setData } from './dom.ts';
import { clockText, durationText, pluralText, titleText } from './format.ts';
import { isScaling, toneOf } from './model.ts';

const shownMax = 120;

/** Names of figures as they read in a sentence; all others are shown unchanged. */
const figureNames: Readonly<Record<string, (value: string | number) => string>> = {
  livedMs: (value) => `lived ${durationText(Number(value))}`,
  tookMs: (value) => `took ${durationText(Number(value))}`,
  partitions: (value) => pluralText(Number(value), 'partition'),
  shards: (value) => pluralText(Number(value), 'shard'),
  controllerId: (value) => `by ${value}`,
  usedPercent: (value) => `${value} % used`,
};

export class EventsView {
  readonly #list: KeyedList<EventShown, HTMLLIElement>;

  constructor(parent: HTMLElement) {
    this.#list = new KeyedList(parent, eventItem);
  }

  show(events: readonly EventShown[]): void {
    this.#list.show(
      events.slice(-shownMax).toReversed(),
      ({ id }) => id,
      () => undefined,
    );
  }
}

function eventItem(event: EventShown): HTMLLIElement {
  const { atMs, kind, reason, brokerId, zone } = event;
  const time = make('time', 'event-time', clockText(atMs));
  time.dateTime = new Date(atMs).toISOString();
  const about = make('span', 'event-about');
  if (brokerId !== undefined) about.append(make('span', 'tag', `broker ${brokerId}`));
  if (zone !== undefined) about.append(make('span', 'tag', `zone ${zone}`));
  const head = make('div', 'event-head', make('strong', 'event-kind', titleText(kind)), about, time);
  const figures = figuresText(event.detail);
  const item = make('li', 'event', head, make('p', 'event-reason', figures ? `${reason} · ${figures}` : reason));
  setData(item, 'tone', toneOf(kind));
  setData(item, 'kind', kind);
  if (isScaling(kind)) setData(item, 'scaling', 'yes');
  return item;
}

function figuresText(detail: EventShown['detail']): string {
  return Object.entries(detail)
    .map(([name, value]) => (Object.hasOwn(figureNames, name) ? figureNames[name]!(value) : `${name} ${value}`))
    .join(' · ');
}
