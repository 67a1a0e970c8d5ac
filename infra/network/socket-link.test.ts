import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { systemClock } from '../../engine/kernel/clock.ts';
import { Link, linkDefaults } from '../../engine/link/link.ts';
import { serveLinks } from '../../engine/link/serve.ts';
import { LinkClosed } from '../../engine/ports.ts';
import { make } from '../../engine/protocol/make.ts';
import { produceRequest, produceResponse } from '../../engine/protocol/messages/00-produce.ts';
import { socketNetwork } from './socket-network.ts';

it('a link works over real sockets', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'link-'));
  const network = socketNetwork(systemClock);
  const address = join(directory, 'b.sock');
  const served = await serveLinks(network, address, (call) => {
    if (call.key !== 0) return;
    const bytes = call.request.topicData[0]!.partitionData[0]!.records!.length;
    call.respond(
      make(produceResponse, { responses: [{ partitionResponses: [{ index: 0, errorCode: 0, baseOffset: bytes }] }] }),
    );
  });
  const link = await Link.open(network, address, systemClock, linkDefaults);
  const sizes = [1, 1000, 70_000, 5_000_000];
  const answers = await Promise.all(
    sizes.map((size) =>
      link.request(
        0,
        13,
        make(produceRequest, {
          acks: -1,
          topicData: [{ partitionData: [{ index: 0, records: Buffer.alloc(size) }] }],
        }),
      ),
    ),
  );
  expect(answers.map((answer) => answer.responses[0]!.partitionResponses[0]!.baseOffset)).toEqual(sizes);
  const outstanding = link.request(0, 13, make(produceRequest, { acks: -1 }));
  await served.close();
  await expect(outstanding).rejects.toBeInstanceOf(LinkClosed);
  rmSync(directory, { recursive: true, force: true });
});
