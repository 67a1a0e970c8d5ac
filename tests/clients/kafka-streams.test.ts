/** Kafka Streams: it makes topics of its own, one of them compacted, and reads its state back from there. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, inject, it } from 'vitest';
import { finish, killChildren } from './processes.ts';
import { kafkajsProgram, programDriver, wordCountProgram } from './programs.ts';
import type { Access } from './targets.ts';

const runWaitMsMax = 110_000;
const lines = 100;
const application = 'word-count';
const changelog = `${application}-counts-changelog`;
const repartition = `${application}-counts-repartition`;

const preparing = programDriver(kafkajsProgram, []);
const folder = mkdtempSync(join(tmpdir(), 'kafka-streams-'));
afterAll(() => {
  killChildren();
  rmSync(folder, { recursive: true, force: true });
});

/** A run with the state that is in `state`; `all` is in every line, each other word in every tenth. */
async function count(at: Access, state: string, words: number): Promise<Map<string, number>> {
  const told = await finish({
    command: wordCountProgram.command,
    args: [...wordCountProgram.args, application, 'lines', join(folder, at.username, state), String(words)],
    environment: { KAFKA_BOOTSTRAP: at.bootstrap, KAFKA_USERNAME: at.username, KAFKA_PASSWORD: at.password },
    waitMsMax: runWaitMsMax,
  });
  const counts = told.map((line) => line.split('\t')).filter(([word]) => word === 'count');
  return new Map(counts.map(([, word, number]) => [word!, Number(number)]));
}

function expected(each: number): Map<string, number> {
  return new Map([['all', each * 10], ...Array.from({ length: 10 }, (_, i): [string, number] => [`word-${i}`, each])]);
}

for (const { name: target, access } of inject('targets')) {
  describe(target, () => {
    describe('kafka-streams', () => {
      const at = access['kafka-streams'];
      const records = Array.from({ length: lines }, (_, i) => ({ key: `key-${i}`, value: `word-${i % 10} all` }));
      const produce = (): Promise<void> =>
        preparing.produce(at, { topic: 'lines', records, compression: 'none', idempotent: false });

      it('counts words', async () => {
        await preparing.createTopic!(at, 'lines', 3);
        await produce();
        expect(await count(at, 'first', lines * 2)).toEqual(expected(10));
      });

      it('creates the topics that it needs', async () => {
        expect(await preparing.topics!(at)).toEqual(expect.arrayContaining([changelog, repartition]));
        expect((await preparing.configs!(at, changelog)).get('cleanup.policy')).toBe('compact');
        const configs = await preparing.configs!(at, repartition);
        expect([configs.get('retention.ms'), configs.get('segment.bytes')]).toEqual(['-1', '52428800']);
      });

      it('rebuilds its state after its folder is lost', async () => {
        await produce();
        expect(await count(at, 'second', lines * 4)).toEqual(expected(20));
      });
    });
  });
}
