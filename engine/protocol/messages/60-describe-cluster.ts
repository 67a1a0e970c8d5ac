/** DescribeCluster (key 60), v0-2: brokers, controller and id of the cluster; admin clients ask this first. */
import { bool, int16, int32, int8, message, string, structs, type Infer } from '../schema.ts';

export const describeClusterRequest = message('DescribeClusterRequest', 60, '0-2', '0+', {
  includeClusterAuthorizedOperations: bool(),
  endpointType: int8({ since: 1, default: 1 }),
  includeFencedBrokers: bool({ since: 2 }),
});
export type DescribeClusterRequest = Infer<typeof describeClusterRequest>;

export const describeClusterResponse = message('DescribeClusterResponse', 60, '0-2', '0+', {
  throttleTimeMs: int32(),
  errorCode: int16(),
  errorMessage: string('errorText', { nullable: true, default: null }),
  endpointType: int8({ since: 1, default: 1 }),
  clusterId: string('clusterId'),
  controllerId: int32({ default: -1, entity: 'node' }),
  brokers: structs({
    brokerId: int32({ entity: 'node' }),
    host: string('address'),
    port: int32(),
    rack: string('rack', { nullable: true, default: null }),
    isFenced: bool({ since: 2 }),
  }),
  clusterAuthorizedOperations: int32({ default: -2147483648 }),
});
export type DescribeClusterResponse = Infer<typeof describeClusterResponse>;
