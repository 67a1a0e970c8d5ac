import { describe, expect, it } from 'vitest';
import type { RequestOf } from '../protocol/apis.ts';
import { unsureCode, volumeFullCode } from '../protocol/error-codes.ts';
import { make } from '../protocol/make.ts';
import { offsetCommitRequest, offsetCommitResponse } from '../protocol/messages/08-offset-commit.ts';
import { offsetFetchRequest } from '../protocol/messages/09-offset-fetch.ts';
import { joinGroupRequest, joinGroupResponse } from '../protocol/messages/11-join-group.ts';
import { heartbeatRequest, heartbeatResponse } from '../protocol/messages/12-heartbeat.ts';
import { leaveGroupRequest } from '../protocol/messages/13-leave-group.ts';
import { listGroupsResponse } from '../protocol/messages/16-list-groups.ts';
import type { Call } from '../link/serve.ts';
import { joinClient, splitClient, splitSeats } from './coordinator-client.ts';
import { clusterOfGroup, coordinatorPartition, coordinatorTopic } from './coordinator-seat.ts';
import { type World, world } from './scripted-broker.suite.ts';

const groupId = 'c1.payments';
const target = { clusterId: 'c1', groupId };
const client = { clientId: 'app-7', clientHost: '10.1.2.3' };
const speaking = (version: number) => ({ ...client, version });
const seat = coordinatorPartition(groupId, 3);

/** The topic `c1:offsets` has partition i on broker i + 1. */
const ownerOfSeat = seat + 1;

async function withHeartbeats(code: () => number = () => 0): Promise<World> {
  const w = await world([1]);
  for (const broker of w.brokers) {
    broker.other = (call) => {
      if (call.key === 12) call.respond(make(heartbeatResponse, { errorCode: code() }));
    };
  }
  return w;
}

function heartbeat(w: World): { code: number | undefined } {
  const request: RequestOf<12> = make(heartbeatRequest, { groupId, memberId: 'm' });
  const outcome: { code: number | undefined } = { code: undefined };
  void w.routing
    .coordinatorRequest(12, target, request, speaking(4))
    .then((answer) => (outcome.code = answer.errorCode));
  return outcome;
}

describe('a group request', () => {
  it('goes to the owner of the seat, with the real client in the header', async () => {
    const w = await withHeartbeats();
    const outcome = heartbeat(w);
    await w.clock.advance(50);
    expect(outcome.code).toBe(0);
    const [call] = w.broker(ownerOfSeat).calls;
    expect(splitClient(call!.clientId)).toEqual(client);
    expect(w.catalogue.byName(coordinatorTopic('c1'))).toBeDefined();
  });

  it('about offsets says when its topics were made, if that was a short time ago', async () => {
    const w = await withHeartbeats();
    const nowMs = w.clock.wallMs();
    for (const [name, createdAtMs] of [
      ['c1.young', nowMs],
      ['c1.old', nowMs - 600_001],
    ] as const) {
      w.catalogue.topics.set(name, { ...w.catalogue.addTopic(name, name, [1]), createdAtMs });
    }
    const topics = ['c1.young', 'c1.old', 'c1.gone'].map((name) => ({ name, partitionIndexes: [0] }));
    const request = make(offsetFetchRequest, { groups: [{ groupId, topics }] });
    void w.routing.coordinatorRequest(9, target, request, speaking(8));
    await w.clock.advance(50);
    const [call] = w.broker(ownerOfSeat).calls;
    expect(splitClient(call!.clientId)).toEqual({ ...client, topicsMadeMs: new Map([['c1.young', nowMs]]) });
  });

  it('refuses a group of another cluster as a bug', async () => {
    const w = await withHeartbeats();
    const foreign = w.routing.coordinatorRequest(
      12,
      { clusterId: 'c2', groupId },
      make(heartbeatRequest, { groupId, memberId: 'm' }),
      speaking(4),
    );
    await expect(foreign).rejects.toThrow('begins with its cluster');
  });

  it('is repeated while the coordinator loads, and follows a move', async () => {
    let code = 14;
    const w = await withHeartbeats(() => code);
    const outcome = heartbeat(w);
    await w.clock.advance(500);
    expect(outcome.code).toBeUndefined();
    code = 16;
    await w.clock.advance(500);
    code = 0;
    const next = (ownerOfSeat % 3) + 1;
    w.catalogue.place(coordinatorTopic('c1'), seat, next, 1);
    await w.clock.advance(50);
    expect(outcome.code).toBe(0);
    expect(w.broker(next).count(12)).toBe(1);
  });

  it('is repeated when the link ends before the answer', async () => {
    const w = await world([1]);
    let isSilent = true;
    w.broker(ownerOfSeat).other = (call) => {
      if (call.key === 12 && !isSilent) call.respond(make(heartbeatResponse, {}));
    };
    const outcome = heartbeat(w);
    await w.clock.advance(100);
    isSilent = false;
    w.network.cut(w.address(ownerOfSeat));
    await w.clock.advance(200);
    expect(outcome.code).toBe(0);
  });

  it('gets NOT_COORDINATOR or COORDINATOR_NOT_AVAILABLE when the hold time is over', async () => {
    const w = await withHeartbeats(() => 16);
    const refused = heartbeat(w);
    await w.clock.advance(2500);
    expect(refused.code).toBe(16);
    w.catalogue.place(coordinatorTopic('c1'), seat, -1, 1);
    const homeless = heartbeat(w);
    await w.clock.advance(1900);
    expect(homeless.code).toBeUndefined();
    await w.clock.advance(200);
    expect(homeless.code).toBe(15);
  });

  it('learns at once that the coordinator has no room', async () => {
    const w = await withHeartbeats(() => volumeFullCode);
    const refused = heartbeat(w);
    await w.clock.advance(50);
    expect(refused.code).toBe(volumeFullCode);
    expect(w.broker(ownerOfSeat).count(12)).toBe(1);
  });

  it('is not reported as unstored if an earlier attempt may have been stored', async () => {
    let tries = 0;
    const w = await withHeartbeats(() => (tries++ === 0 ? unsureCode : volumeFullCode));
    const refused = heartbeat(w);
    await w.clock.advance(500);
    expect(refused.code).toBe(unsureCode);
  });

  it('is reported as unstored if the brokers asked before had no such coordinator', async () => {
    let tries = 0;
    const w = await withHeartbeats(() => (tries++ === 0 ? 16 : volumeFullCode));
    const refused = heartbeat(w);
    await w.clock.advance(500);
    expect(refused.code).toBe(volumeFullCode);
  });

  it('finally gets the answer that its outcome is unknown', async () => {
    const w = await withHeartbeats(() => unsureCode);
    const refused = heartbeat(w);
    await w.clock.advance(2_500);
    expect(refused.code).toBe(unsureCode);
  });

  it.each([
    [13, unsureCode],
    [12, 16],
  ] as const)('lost with its broker is reported as such if it changes something (key %i)', async (key, code) => {
    const w = await world([1]);
    const request = make(key === 13 ? leaveGroupRequest : heartbeatRequest, { groupId });
    let told: number | undefined;
    void w.routing
      .coordinatorRequest(key, target, request as RequestOf<typeof key>, speaking(4))
      .then((answer) => (told = answer.errorCode));
    await w.clock.advance(100);
    expect(w.broker(ownerOfSeat).count(key)).toBe(1);
    w.network.refuse(w.address(ownerOfSeat));
    w.network.cut(w.address(ownerOfSeat));
    await w.clock.advance(2_500);
    expect(told).toBe(code);
  });

  it('tells a JoinGroup that was cut off to join again at once', async () => {
    const w = await world([1]);
    let joined: number | undefined;
    const request = make(joinGroupRequest, { groupId, sessionTimeoutMs: 30_000, protocolType: 'consumer' });
    void w.routing.coordinatorRequest(11, target, request, speaking(9)).then((answer) => (joined = answer.errorCode));
    await w.clock.advance(20_000);
    expect(joined).toBeUndefined();
    w.network.cut(w.address(ownerOfSeat));
    await w.clock.settle();
    expect(joined).toBe(16);
    expect(w.broker(ownerOfSeat).count(11)).toBe(1);
  });

  it('returns a JoinGroup that was parked for long and then refused to the client', async () => {
    const w = await world([1]);
    let parked: Call | undefined;
    w.broker(ownerOfSeat).other = (call) => (parked = call);
    let joined: number | undefined;
    const request = make(joinGroupRequest, { groupId, sessionTimeoutMs: 30_000 });
    void w.routing.coordinatorRequest(11, target, request, speaking(9)).then((answer) => (joined = answer.errorCode));
    await w.clock.advance(5000);
    if (parked?.key === 11) parked.respond(make(joinGroupResponse, { errorCode: 16 }));
    await w.clock.settle();
    expect(joined).toBe(16);
  });

  it('travels in the version that the client speaks', async () => {
    const w = await world([1]);
    void w.routing.coordinatorRequest(13, target, make(leaveGroupRequest, { groupId, memberId: 'm' }), speaking(2));
    void w.routing.coordinatorRequest(
      13,
      target,
      make(leaveGroupRequest, { groupId, members: [{ memberId: 'm' }] }),
      speaking(5),
    );
    await w.clock.advance(50);
    expect(
      w
        .broker(ownerOfSeat)
        .calls.map((call) => call.version)
        .sort((a, b) => a - b),
    ).toEqual([2, 5]);
  });

  it('with codes per partition is repeated and fails per partition', async () => {
    const w = await world([1]);
    w.broker(ownerOfSeat).other = (call) => {
      if (call.key !== 8) return;
      const partitions = call.request.topics[0]!.partitions.map(({ partitionIndex }) => ({
        partitionIndex,
        errorCode: 16,
      }));
      call.respond(make(offsetCommitResponse, { topics: [{ name: 'c1.orders', partitions }] }));
    };
    const request = make(offsetCommitRequest, {
      groupId,
      topics: [{ name: 'c1.orders', partitions: [{ partitionIndex: 0, committedOffset: 5 }] }],
    });
    let codes: number[] = [];
    void w.routing.coordinatorRequest(8, target, request, speaking(9)).then((answer) => {
      codes = answer.topics.flatMap((topic) => topic.partitions.map((each) => each.errorCode));
    });
    await w.clock.advance(2600);
    expect(codes).toEqual([16]);
    expect(w.broker(ownerOfSeat).count(8)).toBeGreaterThan(3);
  });
});

describe('listing groups', () => {
  it('asks every coordinator once and shows this cluster only', async () => {
    const w = await world([1]);
    await w.clock.settle();
    const none = w.routing.listGroups('c1', { statesFilter: [], typesFilter: [] });
    expect((await none).groups).toEqual([]);
    w.catalogue.addTopic(coordinatorTopic('c1'), 'topic-id-offsets', [1, 2, 2]);
    for (const broker of w.brokers) {
      broker.other = (call) => {
        if (call.key !== 16) return;
        const groups = [{ groupId: `c1.g${broker.brokerId}` }, { groupId: `c2.g${broker.brokerId}` }];
        call.respond(make(listGroupsResponse, { groups }));
      };
    }
    let names: string[] = [];
    void w.routing.listGroups('c1', { statesFilter: [], typesFilter: [] }).then((answer) => {
      names = answer.groups.map((group) => group.groupId);
    });
    await w.clock.advance(500);
    expect(names.sort()).toEqual(['c1.g1', 'c1.g2']);
    expect(w.brokers.map((broker) => broker.count(16))).toEqual([1, 1, 0]);
    expect(w.brokers.slice(0, 2).map(({ calls }) => splitSeats(calls[0]!.clientId))).toEqual([
      { clusterId: 'c1', partitions: [0] },
      { clusterId: 'c1', partitions: [1, 2] },
    ]);
  });

  it('asks again for seats that the broker does not know yet, and never shows part of the groups as all', async () => {
    const w = await world([1]);
    w.catalogue.addTopic(coordinatorTopic('c1'), 'topic-id-offsets', [1, 2]);
    let isLate = true;
    for (const broker of w.brokers) {
      broker.other = (call) => {
        if (call.key !== 16) return;
        const isAway = broker.brokerId === 2 && isLate;
        const groups = isAway ? [] : [{ groupId: `c1.g${broker.brokerId}` }];
        call.respond(make(listGroupsResponse, { errorCode: isAway ? 16 : 0, groups }));
      };
    }
    let names: string[] | undefined;
    void w.routing.listGroups('c1', { statesFilter: [], typesFilter: [] }).then((answer) => {
      names = answer.groups.map((group) => group.groupId);
    });
    await w.clock.advance(300);
    expect(names).toBeUndefined();
    isLate = false;
    await w.clock.advance(300);
    expect(names!.sort()).toEqual(['c1.g1', 'c1.g2']);
  });

  it('shows what it has with an error while a seat stays away', async () => {
    const w = await world([1]);
    w.catalogue.addTopic(coordinatorTopic('c1'), 'topic-id-offsets', [1, -1]);
    w.broker(1).other = (call) => {
      if (call.key === 16) call.respond(make(listGroupsResponse, { groups: [{ groupId: 'c1.a' }] }));
    };
    let answer: { errorCode: number; groups: unknown[] } | undefined;
    void w.routing.listGroups('c1', { statesFilter: [], typesFilter: [] }).then((each) => (answer = each));
    await w.clock.advance(2500);
    expect(answer!.errorCode).toBe(15);
    expect(answer!.groups).toHaveLength(1);
  });
});

it('client id and host survive the header', () => {
  for (const each of [client, { clientId: '', clientHost: '::1' }, { clientId: 'a\0b', clientHost: 'h' }]) {
    expect(splitClient(joinClient(each))).toEqual(each);
  }
  expect(splitClient('kafkajs')).toEqual({ clientId: 'kafkajs', clientHost: '' });
  const topicsMadeMs = new Map([
    ['c1.t', 1_700_000_000_000],
    ['c1.u=v', 5],
  ]);
  const knowing = { clientId: 'a\u0001b=1\0c', clientHost: '/::1', topicsMadeMs };
  expect(splitClient(joinClient(knowing))).toEqual(knowing);
  const many = new Map(Array.from({ length: 5000 }, (_, i) => [`c1.t${i}`, i]));
  expect(splitClient(joinClient({ ...client, topicsMadeMs: many }))).toEqual(client);
  expect(splitClient(joinClient({ clientId: 'x'.repeat(32_767), clientHost: 'h' }))).toEqual({
    clientId: '',
    clientHost: 'h',
  });
});

it('seats are those of Kafka, by the hash code of the name', () => {
  // 'hello'.hashCode() is 99162322 in Java; this one is Integer.MIN_VALUE, whose absolute value Kafka takes for 0.
  expect(coordinatorPartition('hello', 50)).toBe(99_162_322 % 50);
  expect(coordinatorPartition('polygenelubricants', 50)).toBe(0);
  expect(clusterOfGroup('c1.a.b')).toBe('c1');
  expect(clusterOfGroup('none')).toBeUndefined();
});
