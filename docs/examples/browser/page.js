// @ts-check
/** The page of the example: a table that grows with the topic. Its own server (serve.mjs) gives it tickets. */
import { subscribe } from './subscription.js';

const parameters = new URLSearchParams(location.search);
const topic = parameters.get('topic') ?? 'orders';
const quietMsMax = Number(parameters.get('quietMs') ?? 15_000);
const kept = `cursor of ${topic}`;
const element = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const rows = element('rows');
let count = 0;
let connections = 0;

element('topic').textContent = topic;
subscribe({
  topic,
  quietMsMax,
  cursor: sessionStorage.getItem(kept) ?? undefined,
  async admission() {
    const response = await fetch('/ticket', { method: 'POST', signal: AbortSignal.timeout(quietMsMax) });
    if (!response.ok) throw new Error(await response.text());
    return response.json();
  },
  onRecords(records) {
    const fresh = document.createDocumentFragment();
    for (const { partition, offset, key, value } of records) {
      const row = document.createElement('tr');
      for (const cell of [partition, offset, key, value]) {
        // textContent, never innerHTML: what a producer wrote must not become a part of the page.
        row.appendChild(document.createElement('td')).textContent =
          typeof cell === 'object' ? JSON.stringify(cell) : String(cell);
      }
      fresh.append(row);
    }
    rows.append(fresh);
    element('count').textContent = String((count += records.length));
  },
  onCursor: (cursor) => sessionStorage.setItem(kept, cursor),
  onState(state, why) {
    if (state === 'live') element('connections').textContent = String(++connections);
    element('state').textContent = `${state}: ${why}`;
  },
});
