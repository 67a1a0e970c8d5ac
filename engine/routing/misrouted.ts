/** Which of Kafka's error codes say that a request came to the wrong place, or too early. */
import { errorCode } from '../protocol/error-codes.ts';

/**
 * The broker did nothing and says that somebody else, or it itself a moment later, will: the request can be repeated
 * whatever it was. UNKNOWN_TOPIC counts because the catalogue that sent us there knows the topic.
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

/** Of a group's coordinator: the seat moves or is being loaded. */
export function isCoordinatorAway(code: number): boolean {
  return (
    code === errorCode.coordinatorLoadInProgress ||
    code === errorCode.coordinatorNotAvailable ||
    code === errorCode.notCoordinator
  );
}
