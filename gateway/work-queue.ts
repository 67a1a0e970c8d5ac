/**
 * Work in order of arrival. To take the first of a long array would move all the others; a place that moves through one
 * array would keep all that was ever taken, as long as something waits.
 */
export type Work = () => void;

export class WorkQueue {
  #arriving: Work[] = [];
  /** In reverse order. */
  #leaving: Work[] = [];

  get length(): number {
    return this.#arriving.length + this.#leaving.length;
  }

  push(work: Work): void {
    this.#arriving.push(work);
  }

  shift(): Work | undefined {
    if (this.#leaving.length === 0 && this.#arriving.length > 0) {
      this.#leaving = this.#arriving.reverse();
      this.#arriving = [];
    }
    return this.#leaving.pop();
  }
}
