/**
 * The yardstick of the fan-out benches: uWebSockets.js that sends `count` messages to all its WebSockets and event streams
 * when told over IPC.
 */
import { createRequire } from 'node:module';

interface Stream {
  onAborted(handler: () => void): void;
  cork(run: () => void): void;
  writeHeader(name: string, value: string): void;
  write(chunk: string): boolean;
}

interface App {
  get(pattern: string, handler: (stream: Stream) => void): App;
  ws(
    pattern: string,
    behavior: {
      readonly idleTimeout: number;
      readonly maxBackpressure: number;
      open(socket: { subscribe(topic: string): void }): void;
    },
  ): App;
  publish(topic: string, message: string): boolean;
  listen(host: string, port: number, listening: (socket: unknown) => void): App;
}

const uws = createRequire(import.meta.url)('uWebSockets.js') as {
  App(): App;
  us_socket_local_port(socket: unknown): number;
};
const messageBytes = Number(process.argv[2]);
const message = `${'x'.repeat(messageBytes - 2)}@@`;
const streams = new Set<Stream>();

const app = uws
  .App()
  .ws('/v1/ws', {
    idleTimeout: 0,
    maxBackpressure: 64 * 1024 * 1024,
    open: (socket) => socket.subscribe('all'),
  })
  .get('/v1/events', (stream) => {
    stream.onAborted(() => streams.delete(stream));
    stream.cork(() => {
      stream.writeHeader('content-type', 'text/event-stream');
      stream.write(': \n\n');
    });
    streams.add(stream);
  })
  .listen('127.0.0.1', 0, (socket) => process.send?.({ port: uws.us_socket_local_port(socket) }));
process.on('message', ({ count }: { readonly count: number }) => {
  for (let i = 0; i < count; i++) app.publish('all', message);
  const events = `data: ${message}\n\n`.repeat(count);
  for (const stream of streams) stream.cork(() => stream.write(events));
});
process.on('disconnect', () => process.exit(0));
