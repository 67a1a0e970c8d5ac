import { describe, expect, it } from 'vitest';
import { seededRandom } from '../kernel/random.ts';
import { type FrameChannel, LinkClosed, type Network } from '../ports.ts';
import { make } from '../protocol/make.ts';
import { heartbeatRequest, heartbeatResponse } from '../protocol/messages/12-heartbeat.ts';
import { Link, linkDefaults, type LinkSettings } from './link.ts';
import { memoryNetwork } from './memory-network.ts';
import { LinkPool } from './pool.ts';
import { type Call, serveDefaults, serveLinks } from './serve.ts';
import { VirtualClock } from './virtual-clock.suite.ts';

const heartbeatOf = (generationId: number) => make(heartbeatRequest, { groupId: 'g', generationId });

/** A link to a handler that keeps its calls for the test to answer. */
async function pair(settings: Partial<LinkSettings> = {}) {
  const clock = new VirtualClock();
  const network = memoryNetwork(clock);
  const calls: Call[] = [];
  await serveLinks(network, 'broker', (call) => calls.push(call));
  const outcomes: string[] = [];
  const link = await Link.open(network, 'broker', clock, { ...linkDefaults, ...settings }, () => outcomes.push('end'));
  const send = (n: number): void =>
    link.send(12, 4, heartbeatOf(n), {
      answered: (response) => outcomes.push(`${n}:${response.errorCode}`),
      failed: (failure) =>
        outcomes.push(`${n}:${failure instanceof LinkClosed ? `sent=${failure.sent}` : failure.code}`),
    });
  const answer = (index: number, errorCode = 0): void => {
    const call = calls[index]!;
    if (call.key === 12) call.respond(make(heartbeatResponse, { errorCode }));
  };
  return { clock, network, calls, outcomes, link, send, answer };
}

describe('a link', () => {
  it('accepts answers in any order', async () => {
    const { clock, send, answer, outcomes, calls } = await pair();
    for (let n = 0; n < 3; n++) send(n);
    await clock.settle();
    expect(calls.map((call) => call.key === 12 && call.request.generationId)).toEqual([0, 1, 2]);
    answer(2, 27);
    await clock.settle();
    answer(0);
    answer(1, 25);
    await clock.settle();
    expect(outcomes).toEqual(['2:27', '0:0', '1:25']);
  });

  it('fails unanswered requests in send order, and marks those never sent', async () => {
    const { clock, network, send, outcomes, link } = await pair({ inFlightMax: 2 });
    for (let n = 0; n < 4; n++) send(n);
    expect(link.queuedBytes).toBeGreaterThan(0);
    await clock.settle();
    network.cut('broker');
    await clock.settle();
    expect(outcomes).toEqual(['0:sent=true', '1:sent=true', '2:sent=false', '3:sent=false', 'end']);
    send(9);
    expect(outcomes.at(-1)).toBe('9:sent=false');
  });

  it('sends queued requests when answers make room, and notifies callers that wait for room', async () => {
    const { clock, send, answer, calls, link } = await pair({ inFlightMax: 2 });
    for (let n = 0; n < 3; n++) send(n);
    let told = 0;
    link.onRoom(() => told++);
    await clock.settle();
    expect(calls).toHaveLength(2);
    expect(link.hasRoom()).toBe(false);
    answer(0);
    await clock.settle();
    expect(calls).toHaveLength(3);
    expect(told).toBe(0);
    answer(1);
    await clock.settle();
    expect(told).toBe(1);
    expect(link.hasRoom()).toBe(true);
  });

  it('refuses more than it may queue', async () => {
    const { send, outcomes } = await pair({ inFlightMax: 1, queuedBytesMax: 60 });
    for (let n = 0; n < 6; n++) send(n);
    expect(outcomes.length).toBeGreaterThan(0);
    expect(new Set(outcomes.map((each) => each.split(':')[1]))).toEqual(new Set(['overloaded']));
  });

  it('queues while the channel is full', async () => {
    const { clock, network, send, answer, link, calls } = await pair({ bufferedBytesMax: 10 });
    network.stall('broker');
    send(0);
    send(1);
    expect(link.inFlight).toBe(1);
    network.flow('broker');
    await clock.settle();
    expect(link.inFlight).toBe(2);
    answer(0);
    expect(calls).toHaveLength(2);
  });

  it('counts a peer that does not answer as hung', async () => {
    const { clock, network, send, outcomes } = await pair({ answerMsMax: 3000 });
    network.stall('broker');
    send(0);
    await clock.advance(2900);
    expect(outcomes).toEqual([]);
    await clock.advance(2500);
    expect(outcomes).toEqual(['0:sent=true', 'end']);
  });

  it('ends on an unexpected or malformed answer, failing all requests in order', async () => {
    for (const bytes of [
      Buffer.from('0000ffff00', 'hex'),
      Buffer.from('0000', 'hex'),
      Buffer.from('0000000000', 'hex'),
    ]) {
      const clock = new VirtualClock();
      const network = memoryNetwork(clock);
      let far: FrameChannel | undefined;
      await network.listen('broker', (channel) => {
        far = channel;
        return { frame: () => undefined, closed: () => undefined };
      });
      const link = await Link.open(network, 'broker', clock, linkDefaults);
      const failures: unknown[] = [];
      for (let n = 0; n < 2; n++) {
        link.request(12, 4, heartbeatOf(n)).catch((error: unknown) => failures.push(error));
      }
      await clock.settle();
      far!.send([bytes]);
      await clock.settle();
      expect(failures).toHaveLength(2);
      expect(link.isClosed).toBe(true);
    }
  });

  it('is refused if nobody listens', async () => {
    const clock = new VirtualClock();
    await expect(Link.open(memoryNetwork(clock), 'nowhere', clock, linkDefaults)).rejects.toMatchObject({
      sent: false,
    });
  });
});

describe('the served side', () => {
  it('closes on a malformed frame and on an unknown version', async () => {
    for (const hex of ['00', '000c00630000000000000000', '7fff000000000000ffff', '000c000400000001000900']) {
      const { clock, network } = await pair();
      let closed = false;
      const channel = await network.connect('broker', { frame: () => undefined, closed: () => (closed = true) });
      channel.send([Buffer.from(hex, 'hex')]);
      await clock.settle();
      expect(closed).toBe(true);
      expect(network.connections('broker')).toBe(1);
    }
  });

  it('stops reading while too many requests are unanswered', async () => {
    const clock = new VirtualClock();
    const network = memoryNetwork(clock);
    const calls: Call[] = [];
    await serveLinks(network, 'broker', (call) => calls.push(call), { ...serveDefaults, inFlightMax: 2 });
    const link = await Link.open(network, 'broker', clock, linkDefaults);
    const answers: number[] = [];
    for (let n = 0; n < 5; n++) void link.request(12, 4, heartbeatOf(n)).then(() => answers.push(n));
    await clock.settle();
    expect(calls).toHaveLength(2);
    for (let i = 0; i < 5; i++) {
      const call = calls[i]!;
      if (call.key === 12) call.respond(make(heartbeatResponse, {}));
      await clock.settle();
    }
    expect(answers).toEqual([0, 1, 2, 3, 4]);
  });

  it('answers once, and never after the end', async () => {
    const { clock, network, send, answer, calls, outcomes } = await pair();
    send(0);
    await clock.settle();
    answer(0);
    answer(0);
    await clock.settle();
    expect(outcomes).toEqual(['0:0']);
    send(1);
    await clock.settle();
    network.cut('broker');
    await clock.settle();
    expect(calls[1]!.isClosed()).toBe(true);
    answer(1);
  });
});

describe('the pool', () => {
  const settings = { reconnectMs: 10, reconnectMsMax: 80, link: linkDefaults };

  it('opens a link on demand, one per lane, and reports when it is open', async () => {
    const clock = new VirtualClock();
    const network = memoryNetwork(clock);
    await serveLinks(network, 'broker', () => undefined);
    const pool = new LinkPool({ network, clock, random: seededRandom(1) }, settings);
    const opened: string[] = [];
    pool.onOpen((address, lane) => opened.push(`${address} ${lane}`));
    expect(pool.link('broker', 'append')).toBeUndefined();
    expect(pool.link('broker', 'append')).toBeUndefined();
    expect(pool.link('broker', 'fetch')).toBeUndefined();
    await clock.settle();
    expect(opened).toEqual(['broker append', 'broker fetch']);
    expect(network.connections('broker')).toBe(2);
    const link = pool.link('broker', 'append');
    expect(link).toBe(pool.link('broker', 'append'));
    pool.cut('broker');
    await clock.settle();
    expect(pool.link('broker', 'append')).not.toBe(link);
    await clock.settle();
    pool.close();
    await clock.settle();
    expect(network.connections('broker')).toBe(0);
    expect(pool.link('broker', 'append')).toBeUndefined();
  });

  it('retries with growing pauses while somebody asks, and stops when nobody does', async () => {
    const clock = new VirtualClock();
    const inner = memoryNetwork(clock);
    let attempts = 0;
    const network: Network = {
      ...inner,
      connect: (address, handler) => {
        attempts++;
        return inner.connect(address, handler);
      },
    };
    const pool = new LinkPool({ network, clock, random: seededRandom(1) }, settings);
    for (let i = 0; i < 100; i++) {
      pool.link('broker', 'control');
      await clock.advance(10);
    }
    expect(attempts).toBeGreaterThan(10);
    expect(attempts).toBeLessThan(30);
    const before = attempts;
    await clock.advance(10_000);
    expect(attempts).toBeLessThanOrEqual(before + 1);
    await serveLinks(inner, 'broker', () => undefined);
    pool.link('broker', 'control');
    await clock.advance(100);
    expect(pool.link('broker', 'control')).toBeDefined();
  });
});
