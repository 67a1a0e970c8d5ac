/** Deletes the records before an offset, once, and notes the request and its result in the history. */
import { type Door, noAnswer } from './door.ts';
import { partitionName } from './partition-name.ts';
import type { SimTopic } from './topic-plan.ts';

const timeoutMs = 3000;

/** `to`: -1 for all existing records. `told` is called with the error code, -1 without an answer. */
export function cutOne(door: Door, topic: SimTopic, index: number, to: number, told: (code: number) => void): void {
  const { history } = door.world;
  const at = door.next();
  const partition = partitionName(topic.topicId, index);
  const asked = history.told.of(partition);
  history.add({ kind: 'cutting', partition, to });
  at.request(
    ({ engine }) =>
      engine.partitionRequest(21, {
        topics: [{ name: topic.name, partitions: [{ partitionIndex: index, offset: to }] }],
        timeoutMs,
      }),
    (response) => {
      if (response === noAnswer || response instanceof Error) return told(-1);
      const { errorCode: code, lowWatermark: start } = response.topics[0]!.partitions[0]!;
      if (code === 0) at.note({ kind: 'cut', partition, to, start, asked });
      else history.add({ kind: 'uncut', partition, to, code, asked });
      told(code);
    },
  );
}
