/**
 * Stopped brokers that no controller ends: a request is answered when its client's timeout is over, and not with the
 * claim that nothing happened.
 */
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import { make } from '../../engine/protocol/make.ts';
import { produceRequest } from '../../engine/protocol/messages/00-produce.ts';
import { deleteRecordsRequest } from '../../engine/protocol/messages/21-delete-records.ts';
import { encodeBatch } from '../../engine/records/encode.ts';
import { Connection } from '../differential/connection.ts';
import { Apart } from './apart.ts';
import { createTopic, demoAccess, readAll } from './doors.ts';
import { stopWithoutLock } from './stop-process.ts';

// Whole installations on a busy machine: the bound is against hanging, nothing here is about speed.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const name = 'silent';
const timeoutMs = 200;

let apart: Apart;
beforeAll(async () => {
  apart = await Apart.start(1);
});
afterAll(() => apart.remove());

it('a silent broker is awaited for as long as the client allows', async () => {
  const access = demoAccess(apart.gateway);
  await createTopic(apart.gateway, access, name, 1);
  const login = { bootstrap: apart.gateway.kafka, username: access.keyId, password: access.apiKey };
  const produce = async (value: string): Promise<[number, string | null]> => {
    const connection = await Connection.open(login);
    const records = encodeBatch([{ key: null, value: Buffer.from(value), timestampMs: 1 }]);
    const topicData = [{ name, partitionData: [{ index: 0, records }] }];
    const answer = await connection.ask(0, 9, make(produceRequest, { acks: -1, timeoutMs, topicData }));
    connection.end();
    if (answer.kind !== 'answer') throw new Error(answer.kind);
    const { errorCode: code, errorMessage } = answer.body.responses[0]!.partitionResponses[0]!;
    return [code, errorMessage];
  };
  const deleteRecords = async (offset: number): Promise<number> => {
    const connection = await Connection.open(login);
    const topics = [{ name, partitions: [{ partitionIndex: 0, offset }] }];
    const answer = await connection.ask(21, 2, make(deleteRecordsRequest, { topics, timeoutMs }));
    connection.end();
    if (answer.kind !== 'answer') throw new Error(answer.kind);
    return answer.body.topics[0]!.partitions[0]!.errorCode;
  };
  for (const value of ['a', 'b', 'c']) expect(await produce(value)).toEqual([errorCode.none, null]);
  expect(await deleteRecords(1)).toBe(errorCode.none);

  const stopped = [
    ...apart.controllers.map(({ child }) => child.pid!),
    ...(await apart.engine()).brokers.map(({ pid }) => pid),
  ];
  for (const pid of stopped) await stopWithoutLock(apart.data, pid);
  try {
    // Whoever waits for longer waits for the end of the link, and is answered otherwise then.
    const told = await Promise.all([produce('d'), deleteRecords(2)]);
    expect(told).toEqual([[errorCode.requestTimedOut, 'the broker did not answer in time'], errorCode.requestTimedOut]);
  } finally {
    for (const pid of stopped) process.kill(pid, 'SIGCONT');
  }
  // Both were on their way; whether they took effect is up to how long the brokers slept.
  await vi.waitUntil(async () => (await deleteRecords(2)) === errorCode.none, { timeout: 60_000 });
  await vi.waitUntil(async () => (await produce('e'))[0] === errorCode.none, { timeout: 60_000 });
  const values = (await readAll(apart.gateway, access, name)).map(({ value }) => value);
  expect(values.filter((value) => value !== 'd')).toEqual(['c', 'e']);
});
