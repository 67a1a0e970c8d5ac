/** Two tenants write and read topics of the same name at once: each sees all its own records and none of the other's. */
import { check } from 'k6';
import exec from 'k6/execution';
import { type Access, makeTenant, makeTopic, optionsOf, pressing, runId } from './headgate.ts';
import { Judge, type Letter, produce, readAll } from './sequences.ts';

const topic = 'orders';

type Tenants = readonly [Access, Access];

export const options = optionsOf({ first: pressing('writeFirst'), second: pressing('writeSecond') });

export function setup(): Tenants {
  const tenants: Tenants = [makeTenant(`first-${runId}`), makeTenant(`second-${runId}`)];
  for (const { apiKey } of tenants) makeTopic(apiKey, topic, 3);
  return tenants;
}

export function writeFirst([first]: Tenants): void {
  produce(first.apiKey, topic, `first-${exec.vu.idInTest}`, 10);
}

export function writeSecond([, second]: Tenants): void {
  produce(second.apiKey, topic, `second-${exec.vu.idInTest}`, 10);
}

class OwnJudge extends Judge {
  readonly #prefix: string;
  foreign = 0;

  constructor(prefix: string) {
    super();
    this.#prefix = prefix;
  }

  override take(letter: Letter): void {
    if (!letter.writer.startsWith(this.#prefix)) this.foreign++;
    super.take(letter);
  }
}

export function teardown([first, second]: Tenants): void {
  for (const [prefix, { apiKey }] of [
    ['first-', first],
    ['second-', second],
  ] as const) {
    const judge = new OwnJudge(prefix);
    readAll(apiKey, topic, judge, () => false, 3);
    judge.close();
    check(judge, {
      'a tenant reads its own records': ({ count }) => count > 0,
      'and never those of another': ({ foreign }) => foreign === 0,
    });
  }
}
