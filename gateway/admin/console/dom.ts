/**
 * The few functions that the page needs to create elements. Text is always inserted as text nodes: nothing here turns a
 * string into markup, and the page's policy forbids it as well.
 */
type Child = Node | string;

export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className = '',
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

export function byId(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
}

/** Writes only changes: an unchanged text is not announced or painted again, and keeps its selection. */
export function setText(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

export function setData(element: HTMLElement, name: string, value: string): void {
  if (element.dataset[name] !== value) element.dataset[name] = value;
}

/** Children of `parent` by key, in the order of `items`; existing elements stay, with their focus and animation. */
export class KeyedList<T, E extends HTMLElement> {
  readonly #parent: HTMLElement;
  readonly #make: (item: T) => E;
  readonly #elements = new Map<string, E>();

  constructor(parent: HTMLElement, makeElement: (item: T) => E) {
    this.#parent = parent;
    this.#make = makeElement;
  }

  show(items: readonly T[], keyOf: (item: T) => string, update: (element: E, item: T) => void): void {
    const wanted = new Set(items.map(keyOf));
    for (const [key, element] of this.#elements) {
      if (wanted.has(key)) continue;
      element.remove();
      this.#elements.delete(key);
    }
    let after: Element | null = null;
    for (const item of items) {
      const key = keyOf(item);
      let element = this.#elements.get(key);
      if (!element) this.#elements.set(key, (element = this.#make(item)));
      const place: Element | null = after ? after.nextElementSibling : this.#parent.firstElementChild;
      if (place !== element) this.#parent.insertBefore(element, place);
      update(element, item);
      after = element;
    }
  }
}
