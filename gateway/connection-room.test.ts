import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ConnectionRoom, Room } from './connection-room.ts';

it('leaves open files for the engine and the control plane, however many connections arrive', () => {
  const files = fc.integer({ min: 8, max: 2 ** 20 });
  const steps = fc.array(fc.constantFrom('kafka', 'http', 'admin'), { maxLength: 2_000 });
  fc.assert(
    fc.property(files, steps, (openFilesMax, doors) => {
      const room = new ConnectionRoom(openFilesMax);
      for (const door of doors) room[door].take();
      const { kafka, http, admin } = room;
      expect(kafka.taken + http.taken + admin.taken).toBeLessThanOrEqual(
        openFilesMax - Math.min(1_024, openFilesMax >> 2),
      );
      expect(kafka.taken + http.taken + admin.taken + kafka.refused + http.refused + admin.refused).toBe(doors.length);
    }),
  );
});

it('never lets one data door take all the connections of the other', () => {
  const { kafka, http } = new ConnectionRoom(1_000);
  while (kafka.take());
  expect(kafka.taken).toBeGreaterThan(400);
  expect(http.take()).toBe(true);
  while (http.take());
  expect(kafka.taken + http.taken).toBe(1_000 - 250 - 125);
  http.give();
  expect(http.take()).toBe(true);
});

it('reports once that it is full, and again only after it has been half empty', () => {
  let told = 0;
  const room = new Room(4, undefined, () => told++);
  for (let i = 0; i < 6; i++) room.take();
  expect([room.taken, room.refused, told]).toEqual([4, 2, 1]);
  room.give();
  room.take();
  expect(room.take()).toBe(false);
  expect(told).toBe(1);
  for (let i = 0; i < 3; i++) room.give();
  while (room.take());
  expect(told).toBe(2);
});
