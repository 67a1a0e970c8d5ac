/** DescribeLogDirs (key 35), v1-5: sizes of partitions on the disks of a broker. */
import { array, bool, int16, int32, int64, message, string, structs, type Infer } from '../schema.ts';

export const describeLogDirsRequest = message('DescribeLogDirsRequest', 35, '1-5', '2+', {
  topics: structs({ topic: string('topic'), partitions: array(int32()) }, { nullable: true }),
});
export type DescribeLogDirsRequest = Infer<typeof describeLogDirsRequest>;

export const describeLogDirsResponse = message('DescribeLogDirsResponse', 35, '1-5', '2+', {
  throttleTimeMs: int32(),
  errorCode: int16({ since: 3, ignorable: true }),
  results: structs({
    errorCode: int16(),
    logDir: string('path'),
    topics: structs({
      name: string('topic'),
      partitions: structs({
        partitionIndex: int32(),
        partitionSize: int64(),
        offsetLag: int64(),
        isFutureKey: bool(),
      }),
    }),
    totalBytes: int64({ since: 4, default: -1, ignorable: true }),
    usableBytes: int64({ since: 4, default: -1, ignorable: true }),
    isCordoned: bool({ since: 5, ignorable: true }),
  }),
});
export type DescribeLogDirsResponse = Infer<typeof describeLogDirsResponse>;
