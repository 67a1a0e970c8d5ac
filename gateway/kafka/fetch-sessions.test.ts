/** How much memory fetch sessions hold. as-kafka-answers.test.ts compares their answers with Apache Kafka. */
import { expect, it } from 'vitest';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import { make } from '../../engine/protocol/make.ts';
import { type FetchRequest, fetchRequest } from '../../engine/protocol/messages/01-fetch.ts';
import { ClusterShares } from '../cluster-shares.ts';
import { FetchSessions } from './fetch-sessions.ts';

const limits = { fetchSessionsMax: 2, fetchSessionPartitionsMax: 30 };

let lastId = 0;
const sessionsOf = (clusterId: string, remembered: ClusterShares): FetchSessions =>
  new FetchSessions(clusterId, remembered, limits, () => lastId++);

/** Reads partitions `from` to `to`, and forgets the given number of partitions from 0 on. */
function asking(
  from: number,
  to: number,
  session: { id?: number; epoch?: number; forgets?: number } = {},
): FetchRequest {
  const partitions = Array.from({ length: to - from }, (_, i) => ({ partition: from + i, fetchOffset: 0 }));
  const forgotten = Array.from({ length: session.forgets ?? 0 }, (_, i) => i);
  return make(fetchRequest, {
    sessionId: session.id ?? 0,
    sessionEpoch: session.epoch ?? 0,
    topics: [{ topic: 't', partitions }],
    forgottenTopicsData: [{ topic: 't', partitions: forgotten }],
  });
}

it('are granted while there is room for their partitions, at most half for one cluster; clients go on without one', () => {
  const remembered = new ClusterShares(40);
  const [first, second, other] = ['a', 'a', 'b'].map((clusterId) => sessionsOf(clusterId, remembered));
  expect(first!.step(asking(0, 15), false)).toMatchObject({ kind: 'full', session: { epoch: 1 } });
  const refused = second!.step(asking(0, 10), false);
  expect(refused).toMatchObject({ kind: 'full', session: undefined });
  expect(refused.kind === 'full' && refused.readings.size).toBe(10);
  expect(other!.step(asking(0, 10), false)).toMatchObject({ session: { epoch: 1 } });
  first!.close();
  expect(second!.step(asking(0, 10), false)).toMatchObject({ session: { epoch: 1 } });
});

it('are charged for the partitions that they add, and end when they hold too many', () => {
  const remembered = new ClusterShares(40);
  const sessions = sessionsOf('a', remembered);
  const started = sessions.step(asking(0, 10), false);
  const id = (started.kind === 'full' && started.session?.id) || 0;
  expect(sessions.step(asking(10, 15, { id, epoch: 1 }), false).kind).toBe('incremental');
  expect(remembered.held).toBe(15);
  sessions.step(asking(0, 0, { id, epoch: 2, forgets: 12 }), false);
  expect(remembered.held).toBe(3);
  const grown = sessions.step(asking(0, 25, { id, epoch: 3 }), false);
  expect(grown).toEqual({ kind: 'error', errorCode: errorCode.fetchSessionIdNotFound });
  expect(remembered.held).toBe(0);
});

it('release everything when they are replaced, ended by the client, evicted, or lose their connection', () => {
  const remembered = new ClusterShares(100);
  const sessions = sessionsOf('a', remembered);
  for (let i = 0; i < 5; i++) sessions.step(asking(0, 10), false);
  expect(remembered.held).toBe(limits.fetchSessionsMax * 10);
  const last = sessions.step(asking(0, 5), false);
  const id = (last.kind === 'full' && last.session?.id) || 0;
  sessions.step(asking(0, 5, { id, epoch: -1 }), false);
  expect(remembered.held).toBe(10);
  sessions.close();
  expect(remembered.held).toBe(0);
});
