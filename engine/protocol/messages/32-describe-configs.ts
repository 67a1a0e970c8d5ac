/** DescribeConfigs (key 32), v1-4: configuration of topics, brokers and groups, and where each value comes from. */
import { array, bool, int16, int32, int8, message, string, structs, type Infer } from '../schema.ts';

export const describeConfigsRequest = message('DescribeConfigsRequest', 32, '1-4', '4+', {
  resources: structs({
    resourceType: int8(),
    resourceName: string('resource'),
    configurationKeys: array(string('plain'), { nullable: true }),
  }),
  includeSynonyms: bool(),
  includeDocumentation: bool({ since: 3 }),
});
export type DescribeConfigsRequest = Infer<typeof describeConfigsRequest>;

export const describeConfigsResponse = message('DescribeConfigsResponse', 32, '1-4', '4+', {
  throttleTimeMs: int32(),
  results: structs({
    errorCode: int16(),
    errorMessage: string('errorText', { nullable: true }),
    resourceType: int8(),
    resourceName: string('resource'),
    configs: structs({
      name: string('plain'),
      value: string('plain', { nullable: true }),
      readOnly: bool(),
      configSource: int8({ default: -1 }),
      isSensitive: bool(),
      synonyms: structs({ name: string('plain'), value: string('plain', { nullable: true }), source: int8() }),
      configType: int8({ since: 3, ignorable: true }),
      documentation: string('plain', { since: 3, nullable: true, ignorable: true }),
    }),
  }),
});
export type DescribeConfigsResponse = Infer<typeof describeConfigsResponse>;
