/** `bare-loop FRONTEND BACKEND`: the least that a ROUTER/ROUTER broker in Node can do. Whoever asks is answered by `worker`. */
import { Router } from "zeromq";

const [frontAddress = "", backAddress = ""] = process.argv.slice(2);
const [frontend, backend] = [new Router(), new Router()];
await Promise.all([frontend.bind(frontAddress), backend.bind(backAddress)]);

async function toWorker(): Promise<void> {
  for await (const frames of frontend) await backend.send(["worker", ...frames]);
}

async function toClients(): Promise<void> {
  for await (const [, ...frames] of backend) await frontend.send(frames);
}

await Promise.all([toWorker(), toClients()]);
