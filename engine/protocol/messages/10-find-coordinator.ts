/**
 * FindCoordinator (key 10), v0-6: which broker coordinates a group (keyType 0), a transactional id (1) or a share
 * partition (2). v4 asks for many keys.
 */
import { array, int16, int32, int8, message, string, structs, type Infer } from '../schema.ts';

export const findCoordinatorRequest = message('FindCoordinatorRequest', 10, '0-6', '3+', {
  key: string('coordinatorKey', { until: 3 }),
  keyType: int8({ since: 1 }),
  coordinatorKeys: array(string('coordinatorKey'), { since: 4 }),
});
export type FindCoordinatorRequest = Infer<typeof findCoordinatorRequest>;

export const findCoordinatorResponse = message('FindCoordinatorResponse', 10, '0-6', '3+', {
  throttleTimeMs: int32({ since: 1, ignorable: true }),
  errorCode: int16({ until: 3 }),
  errorMessage: string('errorText', { since: 1, until: 3, nullable: true, ignorable: true }),
  nodeId: int32({ until: 3, entity: 'node' }),
  host: string('address', { until: 3 }),
  port: int32({ until: 3 }),
  coordinators: structs(
    {
      key: string('coordinatorKey'),
      nodeId: int32({ entity: 'node' }),
      host: string('address'),
      port: int32(),
      errorCode: int16(),
      errorMessage: string('errorText', { nullable: true }),
    },
    { since: 4 },
  ),
});
export type FindCoordinatorResponse = Infer<typeof findCoordinatorResponse>;
