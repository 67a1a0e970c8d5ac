/** DeleteRecords (key 21) at the owner: moves the start of a log forward, durably. Offset -1 means the high watermark. */
import type { Catalogue } from '../../engine.ts';
import type { DeleteRecordsRequest, DeleteRecordsResponse } from '../../protocol/messages/21-delete-records.ts';
import { ownedByName } from '../inner-topic.ts';
import type { Ownership } from '../ownership.ts';

export async function deleteRecords(
  catalogue: Catalogue,
  ownership: Ownership,
  request: DeleteRecordsRequest,
): Promise<DeleteRecordsResponse> {
  const topics = request.topics.map(async ({ name, partitions }) => ({
    name,
    partitions: await Promise.all(
      partitions.map(async ({ partitionIndex, offset }) => {
        const owned = await ownedByName(catalogue, ownership, name, partitionIndex);
        if ('errorCode' in owned) return { partitionIndex, lowWatermark: -1, errorCode: owned.errorCode };
        return { partitionIndex, ...(await owned.log.deleteRecords(offset)) };
      }),
    ),
  }));
  return { throttleTimeMs: 0, topics: await Promise.all(topics) };
}
