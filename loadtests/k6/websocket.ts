/** WebSocket: subscribers and pipelined produce on the same topic; every subscriber sees every record once, in order. */
import { check } from 'k6';
import exec from 'k6/execution';
import { WebSocket } from 'k6/websockets';
import {
  acknowledged,
  apiKey,
  beside,
  failedRequests,
  httpUrl,
  makeTopic,
  optionsOf,
  profile,
  profileSeconds,
  runId,
} from './headgate.ts';
import { Judge, type Letter } from './sequences.ts';

const topic = `websocket-${runId}`;
const socketUrl = `${httpUrl.replace(/^http/, 'ws')}/v1/ws`;
const params = { headers: { Authorization: `Bearer ${apiKey}` } };
/** Produce commands in flight on one socket. */
const depth = 16;
const writers = Math.max(profile.start, ...profile.stages.map(({ target }) => target));
const settleMs = 5_000;

export const options = optionsOf({ subscribers: beside('subscribe', 3), writers: beside('write', writers) });

export function setup(): void {
  makeTopic(apiKey, topic, 3);
}

interface ServerEvent {
  readonly event: string;
  readonly id?: number;
  readonly records?: readonly { readonly value: Letter }[];
}

export function subscribe(): void {
  const judge = new Judge();
  const socket = new WebSocket(socketUrl, null, params);
  let lastAtMs = Date.now();
  socket.onopen = () => {
    socket.send(JSON.stringify({ op: 'subscribe', id: 1, sub: 1, topic, from: 'earliest' }));
  };
  socket.onmessage = (message) => {
    const event = JSON.parse(String(message?.data)) as ServerEvent;
    if (event.event !== 'batch') return;
    for (const { value } of event.records ?? []) judge.take(value);
    lastAtMs = Date.now();
  };
  socket.onerror = () => failedRequests.add(true);
  const beginMs = Date.now();
  const timer = setInterval(() => {
    if (Date.now() - beginMs < profileSeconds * 1000 || Date.now() - lastAtMs < settleMs) return;
    clearInterval(timer);
    judge.close();
    failedRequests.add(false);
    check(judge, { 'the subscriber saw records': ({ count }) => count > 0 });
    socket.close();
  }, 250);
}

export function write(): void {
  const writer = `w${exec.vu.idInTest}`;
  const socket = new WebSocket(socketUrl, null, params);
  const endMs = Date.now() + profileSeconds * 1000;
  let n = 0;
  let answered = 0;
  const send = (): void => {
    const value: Letter = { writer, n, filler: 'x'.repeat(200) };
    socket.send(JSON.stringify({ op: 'produce', id: n++, topic, records: [{ key: writer, value }] }));
  };
  socket.onopen = () => {
    for (let i = 0; i < depth; i++) send();
  };
  socket.onmessage = (message) => {
    const event = JSON.parse(String(message?.data)) as ServerEvent;
    if (event.id === undefined) return;
    const isStored = event.event !== 'error';
    failedRequests.add(!isStored);
    if (isStored) acknowledged.add(1);
    answered++;
    if (Date.now() < endMs && isStored) send();
    else if (answered === n) socket.close();
  };
  socket.onerror = () => failedRequests.add(true);
}
