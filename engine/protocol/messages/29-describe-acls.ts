/** DescribeAcls (key 29), v1-3: lists access rules. */
import { int16, int32, int8, message, string, structs, type Infer } from '../schema.ts';

export const describeAclsRequest = message('DescribeAclsRequest', 29, '1-3', '2+', {
  resourceTypeFilter: int8(),
  resourceNameFilter: string('resource', { nullable: true }),
  patternTypeFilter: int8({ default: 3 }),
  principalFilter: string('principal', { nullable: true }),
  hostFilter: string('address', { nullable: true }),
  operation: int8(),
  permissionType: int8(),
});
export type DescribeAclsRequest = Infer<typeof describeAclsRequest>;

export const describeAclsResponse = message('DescribeAclsResponse', 29, '1-3', '2+', {
  throttleTimeMs: int32(),
  errorCode: int16(),
  errorMessage: string('errorText', { nullable: true }),
  resources: structs({
    resourceType: int8(),
    resourceName: string('resource'),
    patternType: int8({ default: 3 }),
    acls: structs({
      principal: string('principal'),
      host: string('address'),
      operation: int8(),
      permissionType: int8(),
    }),
  }),
});
export type DescribeAclsResponse = Infer<typeof describeAclsResponse>;
