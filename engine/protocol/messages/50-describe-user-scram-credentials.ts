/** DescribeUserScramCredentials (key 50), v0: lists SCRAM users (KIP-554). */
import { int16, int32, int8, message, string, structs, type Infer } from '../schema.ts';

export const describeUserScramCredentialsRequest = message('DescribeUserScramCredentialsRequest', 50, '0', '0+', {
  users: structs(
    {
      name: string('principal'),
    },
    { nullable: true },
  ),
});
export type DescribeUserScramCredentialsRequest = Infer<typeof describeUserScramCredentialsRequest>;

export const describeUserScramCredentialsResponse = message('DescribeUserScramCredentialsResponse', 50, '0', '0+', {
  throttleTimeMs: int32(),
  errorCode: int16(),
  errorMessage: string('errorText', { nullable: true }),
  results: structs({
    user: string('principal'),
    errorCode: int16(),
    errorMessage: string('errorText', { nullable: true }),
    credentialInfos: structs({
      mechanism: int8(),
      iterations: int32(),
    }),
  }),
});
export type DescribeUserScramCredentialsResponse = Infer<typeof describeUserScramCredentialsResponse>;
