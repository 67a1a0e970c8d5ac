/** BrokerStatus (key 30002), Headgate's own: what the broker holds, for placement, metrics and the control plane. */
import type { LogStore } from '../../log/log.ts';
import type { BrokerStatusResponse } from '../../protocol/messages/30002-broker-status.ts';

export function brokerStatus(brokerId: number, logs: LogStore): BrokerStatusResponse {
  const { sessionEpoch, unrolledBytes } = logs.status();
  return {
    brokerId,
    sessionEpoch,
    logs: Array.from(logs.logs(), (log) => ({
      topicId: log.topicId,
      partition: log.partition,
      startOffset: log.startOffset,
      endOffset: log.highWatermark,
      bytes: log.sizeBytes,
    })),
    walBytes: unrolledBytes,
  };
}
