/** A bar with its name and its figure above it. */
import { make, setData, setText } from './dom.ts';

export interface Reading {
  readonly label: string;
  readonly value: string;
  /** 0 to 1. */
  readonly share: number;
}

/** The shares from which a broker counts as nearly full, and as full. */
const highShare = 0.7;
const fullShare = 0.9;
/** The shortest bar that is drawn for a value above zero. */
const drawnShareMin = 0.015;

export class Meter {
  readonly element: HTMLElement;
  readonly #label = make('span', 'bar-label');
  readonly #value = make('span', 'bar-value');
  readonly #fill = make('div', 'bar-fill');
  readonly #bar = make('div', 'bar', this.#fill);
  readonly #warns: boolean;

  /** `warns`: a full bar is a warning, and not merely long. */
  constructor(name: string, warns: boolean) {
    this.#warns = warns;
    this.#bar.setAttribute('role', 'meter');
    this.#bar.setAttribute('aria-label', name);
    this.#bar.setAttribute('aria-valuemin', '0');
    this.#bar.setAttribute('aria-valuemax', '100');
    this.element = make('div', 'meter', make('div', 'bar-head', this.#label, this.#value), this.#bar);
  }

  show({ label, value, share }: Reading): void {
    setText(this.#label, label);
    setText(this.#value, value);
    const drawn = share > 0 ? Math.max(drawnShareMin, Math.min(1, share)) : 0;
    this.#fill.style.transform = `scaleX(${drawn.toFixed(4)})`;
    const level = share >= fullShare ? 'full' : share >= highShare ? 'high' : 'normal';
    setData(this.#fill, 'level', this.#warns ? level : 'normal');
    this.#bar.setAttribute('aria-valuenow', String(Math.round(Math.min(1, share) * 100)));
  }
}
