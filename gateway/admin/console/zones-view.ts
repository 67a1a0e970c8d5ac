/** Zones as columns, a card for each broker. */
import type { EngineShown } from '../engine-schemas.ts';
import { KeyedList, make, setData, setText } from './dom.ts';
import { countText, durationText, percentText, pluralText, rateText, titleText } from './format.ts';
import { Meter } from './meter.ts';
import { type BrokerShown, type BrokerState, idle, type Load, loadOf, partOf } from './model.ts';

const words: Readonly<Record<BrokerState, string>> = {
  starting: 'Starting',
  serving: 'Serving',
  draining: 'Draining',
  fenced: 'Dead',
  closed: 'Down',
};
/** How long a card shows the last death. */
const incidentMsMax = 15 * 60_000;

type Zone = EngineShown['zones'][number];

interface View {
  readonly brokers: readonly BrokerShown[];
  readonly nowMs: number;
}

class ZoneColumn {
  readonly element: HTMLElement;
  readonly #name: HTMLElement;
  readonly #figures = make('span', 'zone-figures');
  readonly #cards: KeyedList<BrokerShown, BrokerCard['element']>;
  readonly #byElement = new WeakMap<HTMLElement, BrokerCard>();

  constructor() {
    this.#name = make('h3', 'zone-name');
    const list = make('div', 'brokers');
    this.element = make('section', 'zone', make('header', 'zone-head', this.#name, this.#figures), list);
    this.#cards = new KeyedList(list, () => {
      const card = new BrokerCard();
      this.#byElement.set(card.element, card);
      return card.element;
    });
  }

  show(zone: Zone, { brokers, nowMs }: View): void {
    const own = brokers.filter((broker) => broker.zone === zone.zone);
    const serving = own.filter(({ state }) => state === 'serving' || state === 'draining').length;
    setData(this.element, 'state', serving === 0 ? 'down' : serving < own.length ? 'degraded' : 'serving');
    setText(this.#name, `Zone ${zone.zone}`);
    setText(this.#figures, `${serving} of ${own.length} serving · ${pluralText(zone.partitions, 'partition')}`);
    this.#cards.show(
      own,
      ({ brokerId }) => String(brokerId),
      (element, broker) => this.#byElement.get(element)!.show(broker, { brokers, nowMs }),
    );
  }
}

class BrokerCard {
  readonly element: HTMLElement;
  readonly #name = make('h4', 'broker-name');
  readonly #state = make('span', 'chip');
  readonly #load = new Meter('Load', true);
  readonly #partitions = new Meter('Part of the partitions', false);
  readonly #session = make('dd');
  readonly #process = make('dd');
  readonly #since = make('dd');
  readonly #incidentText = make('span');
  readonly #incidentTime = make('span', 'incident-time');
  readonly #incident = make('p', 'incident', this.#incidentText, this.#incidentTime);

  constructor() {
    const figure = (title: string, value: HTMLElement): HTMLElement => make('div', '', make('dt', '', title), value);
    this.element = make(
      'article',
      'broker',
      make('header', 'broker-head', this.#name, this.#state),
      this.#load.element,
      this.#partitions.element,
      make(
        'dl',
        'figures',
        figure('Session', this.#session),
        figure('Process', this.#process),
        figure('Up', this.#since),
      ),
      this.#incident,
    );
  }

  show(broker: BrokerShown, { brokers, nowMs }: View): void {
    const { brokerId, state, moving = 0 } = broker;
    const isUp = state === 'serving' || state === 'draining';
    setData(this.element, 'broker', String(brokerId));
    setData(this.element, 'state', state);
    setData(this.element, 'moving', moving > 0 ? 'yes' : 'no');
    setText(this.#name, `Broker ${brokerId}`);
    setText(this.#state, words[state]);
    const load = isUp ? loadOf(broker) : idle;
    this.#load.show({ label: loadText(load), value: percentText(load.share), share: load.share });
    const part = partOf(broker, brokers);
    const leaving = moving > 0 ? `, ${countText(moving)} leaving` : '';
    this.#partitions.show({
      label: `${pluralText(broker.partitions, 'partition')}${leaving}`,
      value: percentText(part),
      share: part,
    });
    setText(this.#session, `#${broker.sessionEpoch}`);
    setText(this.#process, isUp ? String(broker.pid) : '–');
    setText(this.#since, isUp && broker.servesSinceMs ? durationText(nowMs - broker.servesSinceMs) : '–');
    this.#showIncident(broker, nowMs);
  }

  #showIncident({ incident }: BrokerShown, nowMs: number): void {
    const isShown = incident !== undefined && nowMs - incident.diedAtMs < incidentMsMax;
    this.#incident.hidden = !isShown;
    if (!isShown) return;
    const { diedAtMs, backAtMs, reason } = incident;
    const back = backAtMs === undefined ? 'not back yet' : `back in ${durationText(backAtMs - diedAtMs)}`;
    setText(this.#incidentText, `${titleText(reason)}, ${back}`);
    setText(this.#incidentTime, `${durationText(nowMs - diedAtMs)} ago`);
  }
}

function loadText({ bytesInPerSecond, bytesOutPerSecond }: Load): string {
  if (bytesInPerSecond < 1 && bytesOutPerSecond < 1) return 'Idle';
  return `${rateText(bytesInPerSecond)} in · ${rateText(bytesOutPerSecond)} out`;
}

export class ZonesView {
  readonly #columns: KeyedList<Zone, HTMLElement>;
  readonly #byElement = new WeakMap<HTMLElement, ZoneColumn>();

  constructor(parent: HTMLElement) {
    this.#columns = new KeyedList(parent, () => {
      const column = new ZoneColumn();
      this.#byElement.set(column.element, column);
      return column.element;
    });
  }

  show(zones: readonly Zone[], view: View): void {
    this.#columns.show(
      zones,
      ({ zone }) => zone,
      (element, zone) => this.#byElement.get(element)!.show(zone, view),
    );
  }
}
