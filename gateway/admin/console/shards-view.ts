/** The shards of placement as squares, coloured by the controller that owns them, and the controllers as their legend. */
import type { EngineShown } from '../engine-schemas.ts';
import { KeyedList, make, setData, setText } from './dom.ts';
import { pluralText } from './format.ts';

type Shard = EngineShown['shards'][number];
type Controller = EngineShown['controllers'][number];

/** Hues of the style sheet; more controllers reuse them from the first. */
const huesMax = 6;

export class ShardsView {
  readonly #panel: HTMLElement;
  readonly #squares: KeyedList<Shard, HTMLElement>;
  readonly #legend: KeyedList<Controller, HTMLElement>;

  constructor(panel: HTMLElement, squares: HTMLElement, legend: HTMLElement) {
    this.#panel = panel;
    this.#squares = new KeyedList(squares, () => make('span', 'shard'));
    this.#legend = new KeyedList(legend, () =>
      make('li', 'controller', make('span', 'swatch'), make('code', 'controller-id'), make('span', 'controller-about')),
    );
  }

  show({ shards, controllers }: EngineShown): void {
    this.#panel.hidden = shards.length === 0;
    const order = controllers.map(({ controllerId }) => controllerId);
    const hueOf = (controllerId: string | null): string => {
      const at = controllerId === null ? -1 : order.indexOf(controllerId);
      return at < 0 ? 'none' : String(at % huesMax);
    };
    this.#squares.show(
      shards,
      ({ index }) => String(index),
      (square, { index, controllerId, epoch }) => {
        setData(square, 'hue', hueOf(controllerId));
        const title = `Shard ${index}, epoch ${epoch}: ${controllerId ?? 'no controller'}`;
        if (square.title !== title) square.title = title;
      },
    );
    this.#legend.show(
      controllers,
      ({ controllerId }) => controllerId,
      (item, { controllerId, alive, shards: owned, keepsFleet }) => {
        setData(item, 'alive', alive ? 'yes' : 'no');
        setData(item.children[0] as HTMLElement, 'hue', hueOf(controllerId));
        setText(item.children[1] as HTMLElement, controllerId);
        const role = keepsFleet ? ', keeps the fleet' : '';
        setText(item.children[2] as HTMLElement, `${alive ? pluralText(owned, 'shard') : 'dead'}${alive ? role : ''}`);
      },
    );
  }
}
