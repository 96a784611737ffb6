import { createServer } from "node:net";

/** Where the first two processes of each kind listen, above a cluster's port base. */
const OFFSETS = [0, 1, 20, 21, 40, 41, 60, 61, 62];

const [LOWEST_BASE, HIGHEST_BASE] = [21_000, 60_000];

/** A base, at or after `from`, with room for a small cluster's ports. */
export async function freePortBase(from = LOWEST_BASE): Promise<number> {
  for (let base = from; base < HIGHEST_BASE; base += 100) {
    const free = await Promise.all(OFFSETS.map((offset) => isFree(base + offset)));
    if (!free.includes(false)) return base;
  }
  throw new Error("no free ports");
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
