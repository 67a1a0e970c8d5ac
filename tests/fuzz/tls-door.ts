/**
 * The attack on TLS itself, on every port: hellos that are damaged, cut or never finished, other protocols in plain text,
 * and records that are broken once the handshake is done. Each must end, and soon: whoever has not shown a key yet has
 * nothing to wait for.
 */
import { connect as connectTcp, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { damage, type Draw } from './draw.ts';
import type { Report } from './report.ts';
import { Wire } from './wire.ts';
import type { Address, World } from './world.ts';

const endMsMax = 60_000;
/** A record of this type carries what the application says. */
const applicationData = 23;

export async function attackTls(world: World, draw: Draw, inputs: number, report: Report): Promise<void> {
  const hello = await firstFlight();
  for (let done = 0; done < inputs; done++) {
    const address = draw.pick([world.kafka, world.http, world.admin]);
    if (draw.chance(25)) await breakRecords(address, draw, report);
    else await knock(address, hostileFlight(draw, hello), report);
    report.count('tls', 'ended');
  }
}

/** The first message of a TLS client. */
export function firstFlight(): Promise<Buffer> {
  return new Promise((resolve) => {
    const socket = new Duplex({
      read: () => undefined,
      write: (chunk: Buffer, _encoding, done) => {
        done();
        resolve(chunk);
      },
    });
    connectTls({ socket, servername: 'localhost' }).on('error', () => undefined);
  });
}

function hostileFlight(draw: Draw, hello: Buffer): Buffer {
  const record = (type: number, announced: number, body: Buffer): Buffer => {
    const head = Buffer.from([type, 3, draw.below(5), 0, 0]);
    head.writeUInt16BE(announced, 3);
    return Buffer.concat([head, body]);
  };
  switch (draw.below(8)) {
    case 0:
      return damage(draw, hello);
    case 1:
      return hello.subarray(0, draw.below(hello.length));
    case 2:
      return draw.bytes(draw.below(2_000));
    case 3:
      return Buffer.from('GET /v1/topics HTTP/1.1\r\nhost: x\r\n\r\n');
    case 4:
      return Buffer.from([0, 0, 0, 17, 0, 18, 0, 3, 0, 0, 0, 1, 0, 1, 97, 0, 2, 97, 2, 49, 0]);
    case 5:
      return record(22, draw.pick([0, 1, 0x3fff, 0x4001, 0xffff]), draw.bytes(draw.below(20_000)));
    case 6:
      return Buffer.concat([hello, record(draw.pick([20, 21, applicationData, 24, 255]), 40, draw.bytes(40))]);
    default:
      return Buffer.concat([hello, damage(draw, hello)]);
  }
}

async function knock(address: Address, sent: Buffer, report: Report): Promise<void> {
  const wire = await Wire.open({ ...address, tls: false });
  wire.write(sent);
  wire.halfClose();
  if ((await wire.until(() => false, endMsMax)) === 'silent') {
    report.found('tls', `port ${address.port}: not closed after the client’s end`, sent);
  }
  report.leaks('tls', wire.received, sent);
  wire.cut();
}

/** A good handshake, then an unencrypted record. */
async function breakRecords(address: Address, draw: Draw, report: Report): Promise<void> {
  const raw = connectTcp(address);
  raw.on('error', () => undefined);
  const client = connectTls({ socket: raw, servername: 'localhost' });
  client.on('error', () => undefined);
  const isSecured = await new Promise<boolean>((resolve) => {
    client.once('secureConnect', () => resolve(true));
    client.once('close', () => resolve(false));
  });
  if (!isSecured) {
    report.found('tls', `port ${address.port}: no handshake`);
    return;
  }
  const body = draw.bytes(1 + draw.below(300));
  raw.write(Buffer.concat([Buffer.from([applicationData, 3, 3, body.length >> 8, body.length & 255]), body]));
  if (!(await closed(raw, endMsMax))) report.found('tls', `port ${address.port}: a broken record is let pass`, body);
  raw.destroy();
}

function closed(socket: Socket, msMax: number): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), msMax);
    socket.once('close', () => {
      clearTimeout(timer);
      resolve(true);
    });
  });
}
