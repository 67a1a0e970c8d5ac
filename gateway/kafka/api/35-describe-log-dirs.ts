/**
 * DescribeLogDirs (key 35): v1-v5. One directory without logs: a tenant's logs lie in storage that all brokers share, on
 * no disk of a virtual broker, and disks of real ones are not a tenant's to see. Sizes are in the control plane's usage.
 */
import { errorCode } from '../../../engine/protocol/error-codes.ts';
import type { DescribeLogDirsResponse } from '../../../engine/protocol/messages/35-describe-log-dirs.ts';
import { api } from '../api.ts';

export const describeLogDirs = api(
  35,
  { from: 1, to: 5 },
  () => answer(errorCode.none),
  (_request, { errorCode: code }) => answer(code),
);

function answer(code: number): DescribeLogDirsResponse {
  const directory = {
    errorCode: code,
    logDir: '/shared-storage',
    topics: [],
    totalBytes: -1,
    usableBytes: -1,
    isCordoned: false,
  };
  return { throttleTimeMs: 0, errorCode: code, results: [directory] };
}
