/**
 * The live engine page: asks for the key, then shows the engine's state every second and its events as they happen. It
 * loads nothing from elsewhere and stores only the key, for as long as the tab lives.
 */
import type { EngineShown } from '../engine-schemas.ts';
import type { EventShown } from '../schemas.ts';
import { Api, keepKey, keptKey, KeyRefused } from './api.ts';
import { byId, setData, setText } from './dom.ts';
import { followEvents } from './event-stream.ts';
import { EventsView } from './events-view.ts';
import { countText, rateText } from './format.ts';
import { brokersShown, deathShownMsMin, eventsKeptMax, scalingText, trafficOf, verdictOf, withEvent } from './model.ts';
import { MovesView } from './moves-view.ts';
import { ShardsView } from './shards-view.ts';
import { ZonesView } from './zones-view.ts';

const askEveryMs = 1_000;
/** An event triggers an immediate request for the state, but not every event of a burst does. */
const askAfterEventMs = 120;
const askMsMax = 10_000;

class Watch {
  readonly #api: Api;
  readonly #aborter = new AbortController();
  readonly #zones = new ZonesView(byId('zones'));
  readonly #events = new EventsView(byId('events'));
  readonly #shards = new ShardsView(byId('shards-panel'), byId('shards'), byId('controllers'));
  readonly #moves = new MovesView(byId('moves'), byId('moves-empty'));
  #engine: EngineShown;
  #told: readonly EventShown[];
  /** The server's clock minus this one. */
  #aheadMs = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #asking = false;
  #failures = 0;
  #follows = false;

  constructor(api: Api, engine: EngineShown, events: readonly EventShown[]) {
    this.#api = api;
    this.#engine = engine;
    this.#told = events;
    this.#take(engine);
    this.#draw();
    this.#askIn(askEveryMs);
    void followEvents({
      open: (lastEventId, signal) => this.#openStream(lastEventId, signal),
      after: events.at(-1)?.id ?? engine.lastEventId ?? '0',
      signal: this.#aborter.signal,
      onEvent: (event) => this.#heard(event),
      onState: (isLive) => {
        this.#follows = isLive;
        this.#draw();
      },
    });
  }

  stop(): void {
    this.#aborter.abort();
    clearTimeout(this.#timer);
  }

  #heard(event: EventShown): void {
    this.#told = withEvent(this.#told, event);
    this.#draw();
    setTimeout(() => this.#draw(), deathShownMsMin);
    this.#askIn(askAfterEventMs);
  }

  #askIn(delayMs: number): void {
    if (this.#aborter.signal.aborted) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#ask(), delayMs);
  }

  async #ask(): Promise<void> {
    if (this.#asking) return this.#askIn(askAfterEventMs);
    this.#asking = true;
    try {
      if (!document.hidden) this.#take(await this.#api.engine());
      this.#failures = 0;
    } catch (error) {
      if (error instanceof KeyRefused) return signOut('The key is no longer accepted.');
      this.#failures++;
    } finally {
      this.#asking = false;
    }
    this.#draw();
    this.#askIn(Math.min(askMsMax, askEveryMs * 2 ** Math.min(6, this.#failures)));
  }

  #take(engine: EngineShown): void {
    this.#engine = engine;
    this.#aheadMs = engine.atMs - Date.now();
  }

  async #openStream(lastEventId: string, signal: AbortSignal): Promise<Response> {
    try {
      return await this.#api.stream(lastEventId, signal);
    } catch (error) {
      if (error instanceof KeyRefused) signOut('The key is no longer accepted.');
      throw error;
    }
  }

  #draw(): void {
    if (this.#aborter.signal.aborted) return;
    const engine = this.#engine;
    const nowMs = Date.now() + this.#aheadMs;
    const brokers = brokersShown(engine, this.#told, nowMs);
    const verdict = verdictOf(engine, brokers);
    const isAway = this.#failures > 0;
    setData(byId('verdict'), 'tone', isAway ? 'bad' : verdict.tone);
    setText(byId('verdict-text'), isAway ? 'The control plane does not answer' : verdict.text);
    setData(byId('live'), 'live', this.#follows && !isAway ? 'yes' : 'no');
    setText(byId('live'), this.#follows && !isAway ? 'Live' : 'Reconnecting');
    const serving = brokers.filter(({ state }) => state === 'serving' || state === 'draining').length;
    setText(byId('figure-brokers'), `${serving} / ${brokers.length}`);
    const traffic = trafficOf(brokers);
    setText(byId('scaling'), engine.scaling ? scalingText(engine.scaling) : '');
    setText(byId('figure-in'), rateText(traffic.bytesIn));
    setText(byId('figure-out'), rateText(traffic.bytesOut));
    setText(byId('figure-zones'), String(engine.zones.length));
    setText(byId('figure-partitions'), countText(engine.partitions.total));
    setText(byId('figure-moving'), countText(engine.partitions.moving));
    setText(byId('figure-orphans'), countText(engine.partitions.withoutOwner));
    this.#zones.show(engine.zones, { brokers, nowMs });
    this.#events.show(this.#told);
    this.#shards.show(engine);
    this.#moves.show(engine.moves, nowMs);
  }
}

let watch: Watch | undefined;

function signOut(why: string): void {
  watch?.stop();
  watch = undefined;
  keepKey(undefined);
  setText(byId('sign-in-problem'), why);
  document.body.dataset['view'] = 'sign-in';
  byId('key').focus();
}

/** Throws KeyRefused, or the network's error. */
async function signIn(key: string): Promise<void> {
  const api = new Api(key);
  // Events first: an event between the two answers is then in the stream and not lost between them.
  const events = await api.events(eventsKeptMax);
  const engine = await api.engine();
  keepKey(key);
  for (const id of ['zones', 'events', 'shards', 'controllers', 'moves']) byId(id).replaceChildren();
  document.body.dataset['view'] = 'engine';
  watch = new Watch(api, engine, events);
}

async function trySignIn(key: string): Promise<void> {
  setText(byId('sign-in-problem'), '');
  try {
    await signIn(key);
  } catch (error) {
    const isRefused = error instanceof KeyRefused;
    signOut(isRefused ? 'This is not the admin key.' : 'The control plane does not answer.');
  }
}

const field = byId('key') as HTMLInputElement;
byId('sign-in').addEventListener('submit', (event) => {
  event.preventDefault();
  const key = field.value.trim();
  field.value = '';
  if (key) void trySignIn(key);
});
byId('sign-out').addEventListener('click', () => signOut(''));
const kept = keptKey();
if (kept) void trySignIn(kept);
else signOut('');
