/** The topics in a consumer's metadata (Kafka's ConsumerProtocolSubscription.json): a prefix that all versions share. */
import { RecordReader } from './record-bytes.ts';

/** Undefined when the bytes are not such a subscription: any client may use this protocol type with its own bytes. */
export function subscribedTopicsOf(metadata: Uint8Array): readonly string[] | undefined {
  try {
    const from = new RecordReader(metadata);
    if (from.i16() < 0) return undefined;
    const topics: string[] = [];
    for (let count = from.i32(); count > 0; count--) topics.push(from.text());
    return topics;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
