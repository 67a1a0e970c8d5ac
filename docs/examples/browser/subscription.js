// @ts-check
/**
 * A subscription that outlives its connections: copy this file into a page. Every record is given to `onRecords` once, in
 * the order of its partition, however often the connection breaks, because
 *
 *   - the cursor moves only behind records that the page was given, and each new connection goes on at the cursor,
 *   - a connection that was given up is deaf: what it still brings is never looked at,
 *   - a connection that brings nothing for `quietMsMax` (not even the answer to a ping) is given up. A browser by itself
 *     notices a network that went away without a word after minutes, or never.
 *
 * Keep what `onCursor` tells together with what was made of the records, and a reload goes on there as well.
 *
 * @typedef {{ partition: number, offset: number, timestamp: number, key: unknown, value: unknown }} StreamRecord
 * @typedef {object} SubscriptionOptions
 * @property {() => Promise<{ url: string, ticket: string }>} admission  address of the gateway and a fresh one-use ticket
 * @property {string} topic
 * @property {string} [cursor]  where to go on; absent: at `from`
 * @property {string} [from]  'earliest' (default), 'latest' or a time
 * @property {(records: StreamRecord[]) => void} onRecords
 * @property {(cursor: string) => void} [onCursor]  after each call of onRecords
 * @property {(state: 'connecting' | 'live' | 'waiting' | 'ended', why: string) => void} [onState]
 * @property {number} [quietMsMax]
 */

const backoffMs = 250;
const backoffMsMax = 10_000;
/** Close codes after which trying again is of no use: see docs/websocket.md. */
const lastingCodes = [4400, 4403];

/** @param {SubscriptionOptions} options */
export function subscribe(options) {
  const { admission, topic, from = 'earliest', quietMsMax = 15_000 } = options;
  const tell = options.onState ?? (() => {});
  let cursor = options.cursor;
  let failures = 0;
  let reconnectMs = 0;
  let stopped = false;
  /** @type {() => void} */
  let hangUp = () => {};

  async function connect() {
    if (stopped) return;
    tell('connecting', cursor ? 'going on at the cursor' : `from ${from}`);
    try {
      const { url, ticket } = await admission();
      if (stopped) return;
      const address = `${url}?ticket=${encodeURIComponent(ticket)}`;
      hangUp = converse(address, { op: 'subscribe', id: 1, sub: 1, topic, cursor, from }, quietMsMax, heard, retry);
    } catch (error) {
      retry(`no ticket: ${error instanceof Error ? error.message : error}`);
    }
  }

  /** One event of the gateway; the text of an error that ends the connection, if it is one. */
  function heard(/** @type {any} */ event) {
    switch (event.event) {
      case 'ok':
        failures = 0;
        // Before the first record there is a cursor as well: a reader of what is new misses nothing from here on.
        moveTo(event.cursor);
        tell('live', topic);
        break;
      case 'batch':
        options.onRecords(event.records);
        moveTo(event.next);
        break;
      case 'gap':
        moveTo(event.next);
        break;
      case 'goaway':
        reconnectMs = event.reconnect_after_ms;
        break;
      case 'error':
        if (!event.error.retryable) finish(event.error.detail);
        return event.error.detail;
    }
    return undefined;
  }

  function moveTo(/** @type {string | undefined} */ next) {
    if (next === undefined) return;
    cursor = next;
    options.onCursor?.(next);
  }

  /** A growing pause with a random part, so that the pages of a gateway that went away do not come back in one moment. */
  function retry(/** @type {string} */ why, code = 0) {
    if (stopped) return;
    if (lastingCodes.includes(code)) return finish(why);
    const pauseMs = Math.min(backoffMsMax, backoffMs * 2 ** failures++) * (0.5 + Math.random() / 2);
    tell('waiting', why);
    setTimeout(() => void connect(), Math.max(reconnectMs, pauseMs));
    reconnectMs = 0;
  }

  function finish(/** @type {string} */ why) {
    stopped = true;
    hangUp();
    tell('ended', why);
  }

  void connect();
  return { stop: () => finish('stopped') };
}

/**
 * One connection, from its first command to its end, which is told once: by the gateway, the network, silence, or because
 * `heard` gives a reason. Gives the way to end it without a word.
 *
 * @param {string} address  @param {object} command  @param {number} quietMsMax
 * @param {(event: any) => string | undefined} heard  @param {(why: string, code?: number) => void} ended
 */
function converse(address, command, quietMsMax, heard, ended) {
  const socket = new WebSocket(address, 'headgate.v1.json');
  let heardAtMs = performance.now();
  const watch = setInterval(() => {
    const quietMs = performance.now() - heardAtMs;
    if (quietMs >= quietMsMax) end('nothing was heard');
    else if (socket.readyState === WebSocket.OPEN && quietMs >= quietMsMax / 3) socket.send('{"op":"ping"}');
  }, quietMsMax / 6);
  const hangUp = () => {
    clearInterval(watch);
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  };
  const end = (/** @type {string} */ why, code = 0) => {
    hangUp();
    ended(why, code);
  };
  socket.onopen = () => socket.send(JSON.stringify(command));
  socket.onclose = ({ code, reason }) => end(reason || `closed (${code})`, code);
  socket.onmessage = ({ data }) => {
    heardAtMs = performance.now();
    const why = heard(JSON.parse(data));
    if (why !== undefined) end(why);
  };
  return hangUp;
}
