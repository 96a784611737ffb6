import { t } from "../messages.js";

/** For `aisle help COMMAND`: what one types, and why one would. */
export const EXAMPLES: Readonly<Record<string, readonly (readonly [string, string])[]>> = {
  new: [["aisle new Groceries", "make a list and use it from now on"]],
  lists: [["aisle lists --json", "for a script"]],
  use: [["aisle use Party", "commands are about Party from now on"]],
  show: [
    ["aisle show", "the current list"],
    ["aisle show Party --json", "another one, for a script"],
    ["aisle show --digest", "one line that is equal where the list is"],
  ],
  rename: [["aisle rename Groceries 'Weekly shop'", ""]],
  delete: [
    ["aisle delete Party", "for everyone who has it; undelete brings it back"],
    ["aisle delete Party --local", "only here; others keep it"],
  ],
  undelete: [["aisle undelete Party", "for everyone, as it was"]],
  add: [
    ["aisle add milk eggs x6", "one milk and six eggs"],
    ['aisle add "2kg flour, organic @baking"', "an amount, a note, an aisle"],
    ["aisle add tonic --qty 6 --unit bottle", "the same with flags"],
    ["aisle add --literal '7 Up'", "the words as they are"],
  ],
  need: [["aisle need milk 3", "three in all, whatever it was"]],
  got: [
    ["aisle got milk", "all that is left to get"],
    ["aisle got eggs 6", "six of them"],
  ],
  ungot: [["aisle ungot eggs 2", "two go back"]],
  note: [
    ["aisle note milk 'the blue one'", ""],
    ["aisle note milk ''", "no note any more"],
  ],
  "aisle-of": [["aisle aisle-of milk dairy", ""]],
  unit: [["aisle unit milk l", "litres from now on"]],
  remove: [["aisle remove milk eggs", "undo, or restore, brings them back"]],
  clear: [["aisle clear", "after shopping"]],
  suggest: [["aisle suggest br", "what begins with br and was bought before"]],
  staple: [
    ["aisle staple milk --every week --qty 2", "two of it, each week after it was got"],
    ["aisle staple", "all that comes back"],
    ["aisle staple milk --never", "no more"],
  ],
  aisles: [
    ["aisle aisles", "as one walks"],
    ["aisle aisles bakery dairy", "these two come first"],
  ],
  undo: [
    ["aisle undo", "the last change"],
    ["aisle undo 3", "the last three"],
  ],
  restore: [["aisle restore milk", "as it was when it was taken off"]],
  log: [
    ["aisle log", "who did what, and when"],
    ["aisle log milk", "to the milk"],
  ],
  explain: [["aisle explain milk", "why it says what it says"]],
  import: [
    ["aisle import list.csv", "by the file's ending"],
    ["pbpaste | aisle import -", "what was copied, one item a line"],
    ["aisle import todo.txt", "from todo.txt"],
  ],
  export: [
    ["aisle export", "Markdown, to paste in a chat"],
    ["aisle export --format json > groceries.json", "to keep"],
  ],
  connect: [["aisle connect tcp://10.0.0.5:5555#KEY", "a cluster with a key"]],
  sync: [
    ["aisle sync", "send and fetch everything"],
    ["aisle sync --plan", "only show what would be sent"],
  ],
  status: [["aisle status", "account, brokers, what waits"]],
  watch: [
    ["aisle watch", "the list, live, until Ctrl-C"],
    ["aisle watch --ndjson | jq .event", "one event a line"],
  ],
  verify: [["aisle verify", "is everything on enough servers?"]],
  register: [
    ["aisle register ann", "asks for a password"],
    ["aisle register ann --password-file secret", "for a script"],
  ],
  login: [["aisle login ann", ""]],
  logout: [["aisle logout", "lists and changes stay on this device"]],
  whoami: [["aisle whoami", ""]],
  password: [["aisle password", "asks for the old one, then the new one"]],
  recover: [["aisle recover ann", "with one of the codes that register printed"]],
  devices: [
    ["aisle devices", "where one is logged in"],
    ["aisle devices revoke ID", "end that login"],
  ],
  share: [
    ["aisle share Groceries", "an invitation for an editor, good for one person and seven days"],
    ["aisle share Groceries --role viewer --uses 5 --expires 30d", ""],
  ],
  join: [["aisle join inv-…", "what share printed"]],
  members: [["aisle members Groceries --invitations", ""]],
  role: [["aisle role Groceries ben viewer", "ben may read, and change nothing"]],
  revoke: [["aisle revoke Groceries ben", "ben is put out"]],
  transfer: [["aisle transfer Groceries ben", "the list is ben's"]],
  leave: [["aisle leave Groceries", ""]],
  open: [["aisle open Party", "whoever knows its id may edit it"]],
  private: [["aisle private Party", "members only"]],
  batch: [
    ["aisle batch party.aisle", "one command a line"],
    ["printf 'add milk\\ngot eggs\\n' | aisle batch --ndjson", "an answer a line"],
  ],
  completion: [
    ["source <(aisle completion bash)", "in ~/.bashrc"],
    ["aisle completion fish | source", "in config.fish"],
  ],
  doctor: [["aisle doctor", "what could be wrong, and what to do"]],
  cluster: [
    ["aisle cluster up", "two brokers and three servers on this machine"],
    ["aisle cluster status", ""],
  ],
};

/** The examples as help shows them, or an empty text. */
export function examplesText(command: string): string {
  const examples = EXAMPLES[command] ?? [];
  if (examples.length === 0) return "";
  const width = Math.max(...examples.map(([line]) => line.length));
  const lines = examples.map(([line, why]) => `  ${line.padEnd(width)}${why === "" ? "" : `   ${t(why)}`}`.trimEnd());
  return `\n${examples.length === 1 ? t("Example:") : t("Examples:")}\n${lines.join("\n")}`;
}

/** What stands beside them, for who translates. */
export function exampleTexts(): readonly string[] {
  return Object.values(EXAMPLES).flatMap((examples) => examples.map(([, why]) => why));
}
