/** DescribeUserScramCredentials (key 50): v0. There are none: API keys over SASL/PLAIN are the only credentials. */
import { errorCode } from '../../../engine/protocol/error-codes.ts';
import { api } from '../api.ts';

export const noScramUser = 'There is no such SCRAM user: clients authenticate with API keys.';

export const describeUserScramCredentials = api(
  50,
  { from: 0, to: 0 },
  (_call, { users }) => ({
    throttleTimeMs: 0,
    errorCode: errorCode.none,
    errorMessage: null,
    results: [...new Set((users ?? []).map(({ name }) => name))].map((user) => ({
      user,
      errorCode: errorCode.resourceNotFound,
      errorMessage: noScramUser,
      credentialInfos: [],
    })),
  }),
  (_request, { errorCode: code, message }) => ({
    throttleTimeMs: 0,
    errorCode: code,
    errorMessage: message,
    results: [],
  }),
);
