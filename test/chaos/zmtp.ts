import { connect, type Socket } from "node:net";

/** A peer that speaks ZMTP 3.0 (ZeroMQ RFC 23) over plain TCP, in clear text, by hand: it can say what no library would. */

const GREETING = Buffer.alloc(64);
GREETING[0] = 0xff;
GREETING[9] = 0x7f;
GREETING[10] = 3;
GREETING.write("NULL", 12);

const [MORE, LONG, COMMAND] = [1, 2, 4] as const;

function property(name: string, value: string): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(value.length);
  return Buffer.concat([Buffer.from([name.length]), Buffer.from(name), length, Buffer.from(value)]);
}

const READY_BODY = Buffer.concat([Buffer.from([5]), Buffer.from("READY"), property("Socket-Type", "DEALER")]);
const READY = Buffer.concat([Buffer.from([COMMAND, READY_BODY.length]), READY_BODY]);

/** A frame after which the message goes on. */
function frame(bytes: number): Buffer {
  if (bytes < 256) return Buffer.concat([Buffer.from([MORE, bytes]), Buffer.alloc(bytes, "a")]);
  const head = Buffer.alloc(9);
  head[0] = MORE | LONG;
  head.writeBigUInt64BE(BigInt(bytes), 1);
  return Buffer.concat([head, Buffer.alloc(bytes, "a")]);
}

/** Sends frames of this size as one message without an end, as fast as they are taken; when it is cut off it comes again. */
export class EndlessMessage {
  #socket: Socket | null = null;
  #isOver = false;
  connections = 0;
  readonly #chunk: Buffer;

  constructor(
    readonly port: number,
    frameBytes: number,
  ) {
    const one = frame(frameBytes);
    this.#chunk = Buffer.concat(Array.from({ length: Math.max(1, Math.floor(65_536 / one.length)) }, () => one));
    this.#connect();
  }

  stop(): void {
    this.#isOver = true;
    this.#socket?.destroy();
  }

  #connect(): void {
    if (this.#isOver) return;
    this.connections++;
    const socket = connect(this.port, "127.0.0.1");
    this.#socket = socket;
    const pump = (): void => {
      while (!this.#isOver && socket.writable && socket.write(this.#chunk));
    };
    socket.write(GREETING);
    socket.once("data", () => {
      socket.write(READY);
      pump();
    });
    socket.on("data", () => undefined);
    socket.on("drain", pump);
    socket.on("error", () => undefined);
    socket.on("close", () => setTimeout(() => this.#connect(), 10));
  }
}
