/**
 * The long-lived requests that an API key has opened (long polls, event streams, WebSockets). They end when the key stops
 * working or the door closes.
 */
import type { Access } from '../../tenancy/tenancy.ts';

type EndReason = 'revoked' | 'stopping';
type End = (reason: EndReason) => void;

export class KeyHolders {
  readonly #byKey = new Map<string, Set<End>>();
  readonly #stop: () => void;

  constructor(access: Access) {
    this.#stop = access.onRevoked((keyId) => {
      for (const end of this.#byKey.get(keyId) ?? []) end('revoked');
    });
  }

  get count(): number {
    let count = 0;
    for (const held of this.#byKey.values()) count += held.size;
    return count;
  }

  endAll(): void {
    for (const held of this.#byKey.values()) for (const end of held) end('stopping');
  }

  /** Returns the release. */
  hold(keyId: string, end: End): () => void {
    let held = this.#byKey.get(keyId);
    if (!held) this.#byKey.set(keyId, (held = new Set()));
    held.add(end);
    return () => {
      held.delete(end);
      if (held.size === 0 && this.#byKey.get(keyId) === held) this.#byKey.delete(keyId);
    };
  }

  close(): void {
    this.#stop();
  }
}
