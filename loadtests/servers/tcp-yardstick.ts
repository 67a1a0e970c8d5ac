/**
 * What a Kafka bench is measured against: a server of size-prefixed frames over node:net that does nothing with them. It
 * answers each with the frame's correlation id and `replyBytes` constant bytes, one write per read.
 */
import { createServer, type Socket } from 'node:net';

const replyBytes = Number(process.argv[2] ?? 60);

function serve(socket: Socket): void {
  socket.setNoDelay(true);
  const filler = Buffer.alloc(replyBytes);
  let skip = 0;
  let head = Buffer.alloc(0);
  const correlationEnd = 12;
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: Buffer) => {
    socket.cork();
    let at = 0;
    while (at < chunk.length) {
      if (skip > 0) {
        const taken = Math.min(skip, chunk.length - at);
        skip -= taken;
        at += taken;
        continue;
      }
      const wanted = Math.min(correlationEnd - head.length, chunk.length - at);
      head = Buffer.concat([head, chunk.subarray(at, at + wanted)]);
      at += wanted;
      if (head.length < correlationEnd) break;
      skip = head.readInt32BE(0) - (correlationEnd - 4);
      const prefix = Buffer.alloc(8);
      prefix.writeInt32BE(4 + replyBytes);
      head.copy(prefix, 4, 8, 12);
      socket.write(prefix);
      socket.write(filler);
      head = Buffer.alloc(0);
    }
    socket.uncork();
  });
}

const server = createServer(serve);
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (address !== null && typeof address === 'object') process.send?.({ port: address.port });
});
process.on('disconnect', () => process.exit(0));
