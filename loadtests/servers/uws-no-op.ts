/**
 * The yardstick of the HTTP and WebSocket benches: uWebSockets.js that only reads a body or a message and answers, or answers
 * with a mebibyte.
 */
import { createRequire } from 'node:module';

interface Response {
  onData(handler: (chunk: ArrayBuffer, isLast: boolean) => void): void;
  onAborted(handler: () => void): void;
  cork(run: () => void): void;
  writeStatus(status: string): void;
  endWithoutBody(): void;
  end(body: Uint8Array): void;
}

interface Socket {
  send(message: string): void;
}

interface App {
  ws(pattern: string, behavior: { message(socket: Socket): void }): App;
  post(pattern: string, handler: (response: Response) => void): App;
  get(pattern: string, handler: (response: Response) => void): App;
  listen(host: string, port: number, listening: (socket: unknown) => void): App;
}

const uws = createRequire(import.meta.url)('uWebSockets.js') as {
  App(): App;
  us_socket_local_port(socket: unknown): number;
};

/** As long as the answer to a produce command. */
const answer = '{"event":"ok","id":1,"results":[{"partition":0,"offset":1234567}],"failed":0}';
const mebibyte = Buffer.alloc(1024 * 1024, 'x');

uws
  .App()
  .ws('/v1/ws', { message: (socket) => socket.send(answer) })
  .get('/mebibyte', (response) => response.end(mebibyte))
  .post('/v1/topics/:topic', (response) => {
    response.onAborted(() => undefined);
    response.onData((_chunk, isLast) => {
      if (!isLast) return;
      response.cork(() => {
        response.writeStatus('204 No Content');
        response.endWithoutBody();
      });
    });
  })
  .listen('127.0.0.1', 0, (socket) => process.send?.({ port: uws.us_socket_local_port(socket) }));
process.on('disconnect', () => process.exit(0));
