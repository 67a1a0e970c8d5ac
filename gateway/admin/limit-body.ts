/**
 * Limits request bodies. Not hono's body-limit: it recreates requests with the global Request, which does not accept those
 * of the node adapter unless the adapter replaces the globals of the whole process.
 */
import type { MiddlewareHandler } from 'hono';
import { HTTPException } from 'hono/http-exception';

export function limitBody(bytesMax: number): MiddlewareHandler {
  return async (c, next) => {
    const coding = c.req.header('Transfer-Encoding')?.toLowerCase() ?? 'chunked';
    if (coding !== 'chunked') {
      throw new HTTPException(400, { message: `Transfer-Encoding ${coding}: only chunked is accepted` });
    }
    if (Number(c.req.header('Content-Length') ?? 0) > bytesMax) throw new HTTPException(413);
    const { body } = c.req.raw;
    if (c.req.method !== 'GET' && body) {
      // hono looks there before it reads the body for the route; otherwise it would read all of a body of unknown length.
      Reflect.set(c.req.bodyCache, 'text', Promise.resolve(await textOf(body, bytesMax)));
    }
    await next();
  };
}

async function textOf(body: ReadableStream<Uint8Array>, bytesMax: number): Promise<string> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of body) {
    bytes += piece.length;
    if (bytes > bytesMax) throw new HTTPException(413);
    pieces.push(piece);
  }
  return new TextDecoder().decode(Buffer.concat(pieces));
}
