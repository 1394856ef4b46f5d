import type { Socket } from 'node:dgram';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';

/** A line for media that a test makes bad on the way from the server. */
export interface Line {
  port: number;
  /** Share of RTP and RTCP packets to lose, 0 to 1. */
  loss: number;
  /** Bit/s that it carries, 0: any. What is more than a quarter of a second late is lost. */
  capacity: number;
  /** RTP and RTCP packets that came from the server so far, and those of them that it lost. */
  packets: number;
  lost: number;
  close(): void;
}

const patience = 250; // ms of queue

/** Starts a line in front of a UDP port of the loopback. */
export async function startLine(target: number): Promise<Line> {
  const near = createSocket('udp4');
  const farEnds = new Map<string, Socket>(); // towards the server, by the client's address
  near.bind(0, '127.0.0.1');
  await once(near, 'listening');
  let open = true;
  let free = 0; // when the line is free again
  const line: Line = {
    port: near.address().port,
    loss: 0,
    capacity: 0,
    packets: 0,
    lost: 0,
    close() {
      open = false;
      near.close();
      for (const far of farEnds.values()) far.close();
    },
  };
  const deliver = (data: Buffer, port: number, address: string) => {
    const kind = data[0] ?? 0;
    const media = kind >= 128 && kind < 192; // RFC 7983
    if (media) line.packets++;
    if (media && Math.random() < line.loss) {
      line.lost++;
      return;
    }
    const now = Date.now();
    let wait = 0;
    if (line.capacity > 0) {
      wait = Math.max(free - now, 0);
      if (media && wait > patience) {
        line.lost++;
        return;
      }
      free = now + wait + (data.length * 8000) / line.capacity;
    }
    const send = () => {
      if (open) near.send(data, port, address);
    };
    if (wait >= 1) setTimeout(send, wait);
    else send();
  };
  near.on('message', (data, { port, address }) => {
    const client = `${address}:${port}`;
    let far = farEnds.get(client);
    if (!far) {
      far = createSocket('udp4');
      farEnds.set(client, far);
      far.on('message', (data) => deliver(data, port, address));
    }
    far.send(data, target, '127.0.0.1');
  });
  return line;
}
