import { LocalList } from "../src/client/local-list.js";
import { Session } from "../src/client/session.js";
import { deviceOf, listIdOf, writeCredentials } from "../src/protocol/identity.js";
import type { ListId } from "../src/protocol/ids.js";
import { decodeSyncReply, encodeSyncRequest } from "../src/protocol/messages.js";
import { randomId, randomSecret } from "../src/runtime/rng.js";

const BUDGET_MS = 30_000;

/** A device with one list of its own, as `aisle` has them, less the files: what is measured is the cluster. */
export class Shopper {
  readonly id: ListId;
  readonly #list: LocalList;
  readonly #session: Session;

  constructor(brokers: readonly string[]) {
    const [device, nonce] = [randomSecret(), randomSecret()];
    const credentials = writeCredentials({ device, account: null, operator: null });
    this.#session = new Session(brokers, () => credentials);
    this.id = listIdOf(deviceOf(device), nonce);
    this.#list = LocalList.create(this.id, device, randomId(), { nonce, by: "device", open: true });
  }

  add(name: string): void {
    const intent = { type: "add", name, unit: null, amount: 1_000, note: null, aisle: null } as const;
    this.#list.perform(intent, { id: randomId(), at: Date.now() });
  }

  /** Sends what is new and fetches what is lacking. @returns on how many servers it is, and how many it should be on */
  async sync(): Promise<{ readonly stored: number; readonly wanted: number }> {
    const request = this.#list.request();
    const question = { kind: "sync", listId: this.id, body: encodeSyncRequest(request) } as const;
    const { value } = await this.#session.request(question, decodeSyncReply, BUDGET_MS);
    this.#list.onReply(request, value);
    return value;
  }
}
