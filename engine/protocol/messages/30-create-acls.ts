/** CreateAcls (key 30), v1-3: creates access rules. */
import { int16, int32, int8, message, string, structs, type Infer } from '../schema.ts';

export const createAclsRequest = message('CreateAclsRequest', 30, '1-3', '2+', {
  creations: structs({
    resourceType: int8(),
    resourceName: string('resource'),
    resourcePatternType: int8({ default: 3 }),
    principal: string('principal'),
    host: string('address'),
    operation: int8(),
    permissionType: int8(),
  }),
});
export type CreateAclsRequest = Infer<typeof createAclsRequest>;

export const createAclsResponse = message('CreateAclsResponse', 30, '1-3', '2+', {
  throttleTimeMs: int32(),
  results: structs({
    errorCode: int16(),
    errorMessage: string('errorText', { nullable: true }),
  }),
});
export type CreateAclsResponse = Infer<typeof createAclsResponse>;
