/** Which of Kafka's error codes mean that a request came to the wrong place, or too early. */
import { errorCode } from '../protocol/error-codes.ts';

/**
 * The broker did nothing, and says that another broker, or it itself a moment later, will. So any request can be
 * repeated. UNKNOWN_TOPIC counts because the catalogue that sent us there knows the topic.
 */
export function isMisrouted(code: number): boolean {
  return (
    code === errorCode.notLeaderOrFollower ||
    code === errorCode.fencedLeaderEpoch ||
    code === errorCode.unknownLeaderEpoch ||
    code === errorCode.unknownTopicId ||
    code === errorCode.unknownTopicOrPartition ||
    code === errorCode.leaderNotAvailable
  );
}

/** For a group's coordinator: its seat is moving or loading. */
export function isCoordinatorAway(code: number): boolean {
  return (
    code === errorCode.coordinatorLoadInProgress ||
    code === errorCode.coordinatorNotAvailable ||
    code === errorCode.notCoordinator
  );
}
