/** What an API key has opened that outlives a request (event streams, WebSockets): ended when the key stops working. */
import type { Access } from '../../tenancy/tenancy.ts';

export class KeyHolders {
  readonly #byKey = new Map<string, Set<() => void>>();
  readonly #stop: () => void;

  constructor(access: Access) {
    this.#stop = access.onRevoked((keyId) => {
      for (const revoked of [...(this.#byKey.get(keyId) ?? [])]) revoked();
    });
  }

  /** Runs `revoked` when the key stops working. Returns the release. */
  hold(keyId: string, revoked: () => void): () => void {
    let held = this.#byKey.get(keyId);
    if (!held) this.#byKey.set(keyId, (held = new Set()));
    held.add(revoked);
    return () => {
      held.delete(revoked);
      if (held.size === 0 && this.#byKey.get(keyId) === held) this.#byKey.delete(keyId);
    };
  }

  close(): void {
    this.#stop();
  }
}
