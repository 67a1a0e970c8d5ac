/** AlterConfigs (key 33), v0-2: replaces the configuration of resources. IncrementalAlterConfigs is its better successor. */
import { bool, int16, int32, int8, message, string, structs, type Infer } from '../schema.ts';

export const alterConfigsRequest = message('AlterConfigsRequest', 33, '0-2', '2+', {
  resources: structs({
    resourceType: int8(),
    resourceName: string('resource'),
    configs: structs({ name: string('plain'), value: string('plain', { nullable: true }) }),
  }),
  validateOnly: bool(),
});
export type AlterConfigsRequest = Infer<typeof alterConfigsRequest>;

export const alterConfigsResponse = message('AlterConfigsResponse', 33, '0-2', '2+', {
  throttleTimeMs: int32(),
  responses: structs({
    errorCode: int16(),
    errorMessage: string('errorText', { nullable: true }),
    resourceType: int8(),
    resourceName: string('resource'),
  }),
});
export type AlterConfigsResponse = Infer<typeof alterConfigsResponse>;
