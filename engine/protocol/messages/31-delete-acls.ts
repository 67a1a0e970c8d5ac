/** DeleteAcls (key 31), v1-3: deletes access rules. */
import { int16, int32, int8, message, string, structs, type Infer } from '../schema.ts';

export const deleteAclsRequest = message('DeleteAclsRequest', 31, '1-3', '2+', {
  filters: structs({
    resourceTypeFilter: int8(),
    resourceNameFilter: string('resource', { nullable: true }),
    patternTypeFilter: int8({ default: 3 }),
    principalFilter: string('principal', { nullable: true }),
    hostFilter: string('address', { nullable: true }),
    operation: int8(),
    permissionType: int8(),
  }),
});
export type DeleteAclsRequest = Infer<typeof deleteAclsRequest>;

export const deleteAclsResponse = message('DeleteAclsResponse', 31, '1-3', '2+', {
  throttleTimeMs: int32(),
  filterResults: structs({
    errorCode: int16(),
    errorMessage: string('errorText', { nullable: true }),
    matchingAcls: structs({
      errorCode: int16(),
      errorMessage: string('errorText', { nullable: true }),
      resourceType: int8(),
      resourceName: string('resource'),
      patternType: int8({ default: 3 }),
      principal: string('principal'),
      host: string('address'),
      operation: int8(),
      permissionType: int8(),
    }),
  }),
});
export type DeleteAclsResponse = Infer<typeof deleteAclsResponse>;
