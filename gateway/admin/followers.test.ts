import { beforeEach, expect, it } from 'vitest';
import { type AdminInTest, adminInTest } from './admin-in-test.suite.ts';
import { type Follower, Followers } from './followers.ts';
import { adminLimitsDefault } from './options.ts';

const limits = { ...adminLimitsDefault, followersMax: 2, followerBacklogMax: 2 };
let test: AdminInTest;
let followers: Followers;

beforeEach(async () => {
  test = await adminInTest();
  followers = new Followers(test.memory, test.clock, limits);
});

/** What the follower has got so far. */
function heardBy(follower: Follower): string[] {
  const heard: string[] = [];
  const listen = async (): Promise<void> => {
    for (let next = await follower.next(); ; next = await follower.next()) {
      heard.push(typeof next === 'string' ? next : next.map(({ kind }) => kind).join(' '));
      if (next === 'closed') return;
    }
  };
  void listen();
  return heard;
}

it('a follower that waits gets an event at once, and learns that there was none after each heartbeat', async () => {
  const heard = heardBy(followers.open(undefined)!);
  await test.clock.advance(limits.heartbeatMs - 1);
  expect(heard).toEqual([]);
  test.memory.emit('a', 1);
  await test.clock.settle();
  expect(heard).toEqual(['a']);
  await test.clock.advance(limits.heartbeatMs - 1);
  expect(heard).toEqual(['a']);
  await test.clock.advance(limits.heartbeatMs);
  expect(heard).toEqual(['a', 'idle']);
});

it('one that is behind gets what there was, and then its end', async () => {
  const slow = followers.open(undefined)!;
  for (const kind of ['a', 'b', 'c']) test.memory.emit(kind, 1);
  test.memory.emit('d', 1);
  expect(followers.size).toBe(0);
  const heard = heardBy(slow);
  await test.clock.settle();
  expect(heard).toEqual(['a b', 'closed']);
});

it('there are no more than allowed, and none after the end', async () => {
  const [one, two] = [followers.open(undefined)!, followers.open('')!];
  expect(followers.open(undefined)).toBeUndefined();
  one.close();
  one.close();
  expect(followers.size).toBe(1);
  const heard = heardBy(two);
  followers.close();
  await test.clock.settle();
  expect(heard).toEqual(['closed']);
  expect(followers.open(undefined)).toBeUndefined();
});
