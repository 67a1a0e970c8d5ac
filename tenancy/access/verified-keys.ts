/**
 * API keys that were verified, by their full text: the hot path of every request is one lookup here. Bounded. An entry used
 * since the last look stays (second chance), so that a flood of other keys does not push out the busy ones.
 *
 * Code that ends a key must call `forget`: entries are trusted without another check.
 */
import type { Principal } from '../tenancy.ts';

interface Entry {
  readonly principal: Principal;
  used: boolean;
}

export class VerifiedKeys {
  readonly #entries = new Map<string, Entry>();
  /** A key id has at most one text, because its secret never changes. */
  readonly #texts = new Map<string, string>();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(apiKey: string): Principal | undefined {
    const entry = this.#entries.get(apiKey);
    if (!entry) return undefined;
    entry.used = true;
    return entry.principal;
  }

  add(apiKey: string, principal: Principal): void {
    this.#makeRoom();
    this.#entries.set(apiKey, { principal, used: false });
    this.#texts.set(principal.keyId, apiKey);
  }

  forget(keyId: string): void {
    const text = this.#texts.get(keyId);
    if (text === undefined) return;
    this.#texts.delete(keyId);
    this.#entries.delete(text);
  }

  /** Terminates, because each step either removes an entry or takes away its second chance. */
  #makeRoom(): void {
    while (this.#entries.size >= this.#max) {
      for (const [apiKey, entry] of this.#entries) {
        this.#entries.delete(apiKey);
        if (entry.used) {
          entry.used = false;
          this.#entries.set(apiKey, entry);
          continue;
        }
        this.#texts.delete(entry.principal.keyId);
        break;
      }
    }
  }
}
