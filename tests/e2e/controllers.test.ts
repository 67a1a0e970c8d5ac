/**
 * Controllers, gateway and brokers as separate processes: controllers are killed, stopped and added while records are
 * written, brokers die meanwhile, and for a while no controller is alive at all.
 */
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { isGone } from '../../infra/fleet/process-state.ts';
import { Apart, type EngineShown } from './apart.ts';
import { createTopic, demoAccess, Doubts, httpSender, judgeRecords, readAll } from './doors.ts';

// Whole installations on a busy machine: the bound is against hanging, nothing here is about speed.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 120_000 });

const keys = 8;
const perPhase = 15;

let apart: Apart;
beforeAll(async () => {
  apart = await Apart.start(2);
});
afterAll(() => apart.remove());

const pidsOf = ({ brokers }: EngineShown): number[] => brokers.map(({ pid }) => pid);
const isWhole = (engine: EngineShown, controllers: number): boolean => {
  const alive = engine.controllers.filter((each) => each.alive);
  const shards = alive.map((each) => each.shards);
  return (
    alive.length === controllers &&
    shards.reduce((sum, count) => sum + count, 0) === 64 &&
    Math.max(...shards) - Math.min(...shards) <= 1 &&
    engine.brokers.length === 3 &&
    engine.brokers.every(({ state }) => state === 'serving')
  );
};

const keeperOf = ({ controllers }: EngineShown): string | undefined =>
  controllers.find(({ alive, keepsFleet }) => alive && keepsFleet)?.controllerId;

it('clients keep writing whatever happens to the controllers', async () => {
  const access = demoAccess(apart.gateway);
  await createTopic(apart.gateway, access, 'apart', 6);
  const doubts = new Doubts();
  const send = httpSender(apart.gateway, access, 'apart', doubts);
  const acknowledged: string[] = [];
  const numbers = Array.from({ length: keys }, () => 0);
  /** Every key sends until `perPhase` more are stored, and on until `disturbed` is done. */
  const writeDuring = async (disturbed: Promise<unknown>): Promise<void> => {
    let isOver = false;
    const over = disturbed.finally(() => (isOver = true));
    const writing = numbers.map(async (_, key) => {
      for (let stored = 0; stored < perPhase || !isOver; ) {
        const value = `k${key}:${numbers[key]}`;
        if (!(await send(`k${key}`, value).catch(() => false))) continue;
        acknowledged.push(value);
        numbers[key]!++;
        stored++;
      }
    });
    await Promise.all([over, ...writing]);
  };
  const before = await apart.until('two share the shards', (engine) => isWhole(engine, 2));

  // The controller that keeps the fleet dies; then a broker dies, before and after another controller keeps the fleet.
  const keeper = before.controllers.find(({ keepsFleet }) => keepsFleet)!;
  const killed = await apart.processOf(keeper.controllerId);
  const heir = before.controllers.find(({ keepsFleet }) => !keepsFleet)!;
  await writeDuring(
    (async () => {
      await killed.end('SIGKILL');
      process.kill(before.brokers[0]!.pid, 'SIGKILL');
      await apart.until('the heir has it all', (engine) => isWhole(engine, 1));
      process.kill(before.brokers[1]!.pid, 'SIGKILL');
      await apart.until(
        'the second broker is replaced',
        (engine) => isWhole(engine, 1) && engine.brokers[1]!.pid !== before.brokers[1]!.pid,
      );
    })(),
  );
  const after = await apart.engine();
  expect(after.brokers[0]!.pid).not.toBe(before.brokers[0]!.pid);
  // The third broker was left alone: it continued to serve, under another controller.
  expect(after.brokers[2]!.pid).toBe(before.brokers[2]!.pid);
  await createTopic(apart.gateway, access, 'apart-2', 3);

  // Another one comes and gets its half; the first goes politely.
  const third = apart.controller();
  await writeDuring(
    (async () => {
      await third.works;
      await apart.until('the third has its half', (engine) => isWhole(engine, 2));
      const leaving = await apart.processOf(heir.controllerId);
      expect(await leaving.end('SIGTERM')).toBe(0);
      await apart.until('the third has it all', (engine) => isWhole(engine, 1));
    })(),
  );
  expect(pidsOf(await apart.engine())).toEqual(pidsOf(after));
  expect(third.lines.join('\n')).toMatch(/handed over/);

  const idOfThird = keeperOf(await apart.engine());

  // No controller at all: records and topics do not need one.
  await third.end('SIGKILL');
  await writeDuring(createTopic(apart.gateway, access, 'apart-3', 3));
  expect(pidsOf(await apart.engine())).toEqual(pidsOf(after));

  // The next one finds the brokers at work, and ends them when it is the last to go.
  const fourth = apart.controller();
  await writeDuring(fourth.works);
  // Until the third's lease has lapsed the fourth would take it for an heir, and others see the third alone.
  await apart.until('the fourth has it all', (engine) => isWhole(engine, 1) && keeperOf(engine) !== idOfThird);
  expect(pidsOf(await apart.engine())).toEqual(pidsOf(after));
  const outcome = judgeRecords(await readAll(apart.gateway, access, 'apart'), acknowledged, doubts);
  expect(outcome).toEqual({ lost: [], duplicates: [], disordered: [] });
  expect(await fourth.end('SIGTERM')).toBe(0);
  expect(pidsOf(after).filter((pid) => !isGone(pid))).toEqual([]);
});
