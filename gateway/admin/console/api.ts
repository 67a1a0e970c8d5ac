/** The control plane's API with the admin key. The key is stored for this tab only and is lost with it. */
import type { EngineShown } from '../engine-schemas.ts';
import type { EventShown } from '../schemas.ts';

const kept = 'headgate-admin-key';
const requestMsMax = 10_000;

export class KeyRefused extends Error {}

export function keptKey(): string | undefined {
  return sessionStorage.getItem(kept) ?? undefined;
}

export function keepKey(key: string | undefined): void {
  if (key === undefined) sessionStorage.removeItem(kept);
  else sessionStorage.setItem(kept, key);
}

export class Api {
  readonly #key: string;

  constructor(key: string) {
    this.#key = key;
  }

  engine(): Promise<EngineShown> {
    return this.#json<EngineShown>('/admin/v1/engine');
  }

  async events(limit: number): Promise<EventShown[]> {
    return (await this.#json<{ items: EventShown[] }>(`/admin/v1/events?limit=${limit}`)).items;
  }

  /** Throws KeyRefused. */
  stream(lastEventId: string, signal: AbortSignal): Promise<Response> {
    return this.#get('/admin/v1/events/stream', { 'Last-Event-ID': lastEventId }, signal);
  }

  async #json<T>(path: string): Promise<T> {
    const response = await this.#get(path, {}, AbortSignal.timeout(requestMsMax));
    return (await response.json()) as T;
  }

  async #get(path: string, more: Record<string, string>, signal: AbortSignal): Promise<Response> {
    const headers = { Authorization: `Bearer ${this.#key}`, ...more };
    const response = await fetch(path, { headers, signal, cache: 'no-store', credentials: 'omit' });
    if (response.status === 401) throw new KeyRefused('the key is not the admin key');
    if (!response.ok) throw new Error(`${path} answered ${response.status}`);
    return response;
  }
}
