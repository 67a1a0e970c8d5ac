/** ListConfigResources (key 74), v0-1: names of resources that have configuration. v0 knows client metrics only. */
import { array, int16, int32, int8, message, string, structs, type Infer } from '../schema.ts';

export const listConfigResourcesRequest = message('ListConfigResourcesRequest', 74, '0-1', '0+', {
  resourceTypes: array(int8(), { since: 1 }),
});
export type ListConfigResourcesRequest = Infer<typeof listConfigResourcesRequest>;

export const listConfigResourcesResponse = message('ListConfigResourcesResponse', 74, '0-1', '0+', {
  throttleTimeMs: int32(),
  errorCode: int16(),
  configResources: structs({
    resourceName: string('resource'),
    resourceType: int8({ since: 1, default: 16, ignorable: true }),
  }),
});
export type ListConfigResourcesResponse = Infer<typeof listConfigResourcesResponse>;
