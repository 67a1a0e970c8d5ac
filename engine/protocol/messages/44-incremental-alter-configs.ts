/** IncrementalAlterConfigs (key 44), v0-1: sets, deletes, appends to and subtracts from single configuration values. */
import { bool, int16, int32, int8, message, string, structs, type Infer } from '../schema.ts';

export const incrementalAlterConfigsRequest = message('IncrementalAlterConfigsRequest', 44, '0-1', '1+', {
  resources: structs({
    resourceType: int8(),
    resourceName: string('resource'),
    configs: structs({ name: string('plain'), configOperation: int8(), value: string('plain', { nullable: true }) }),
  }),
  validateOnly: bool(),
});
export type IncrementalAlterConfigsRequest = Infer<typeof incrementalAlterConfigsRequest>;

export const incrementalAlterConfigsResponse = message('IncrementalAlterConfigsResponse', 44, '0-1', '1+', {
  throttleTimeMs: int32(),
  responses: structs({
    errorCode: int16(),
    errorMessage: string('errorText', { nullable: true }),
    resourceType: int8(),
    resourceName: string('resource'),
  }),
});
export type IncrementalAlterConfigsResponse = Infer<typeof incrementalAlterConfigsResponse>;
