/** Kafka's error codes that routing reads or gives. */
export const errorCode = {
  none: 0,
  unknownTopicOrPartition: 3,
  leaderNotAvailable: 5,
  notLeaderOrFollower: 6,
  requestTimedOut: 7,
  coordinatorLoadInProgress: 14,
  coordinatorNotAvailable: 15,
  notCoordinator: 16,
  kafkaStorageError: 56,
  fencedLeaderEpoch: 74,
  unknownLeaderEpoch: 75,
  unknownTopicId: 100,
} as const;

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
