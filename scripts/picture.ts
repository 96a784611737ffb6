/**
 * Draws docs/session.svg: a real session on a terminal, two shoppers on one list, as tmux saw it. Run it with
 * `make picture` after a build, where there is tmux.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePortBase } from "./free-ports.js";

const [COLUMNS, ROWS] = [76, 20];
const [CELL_WIDTH, CELL_HEIGHT, MARGIN] = [8.4, 18, 16];
const COLOURS: Readonly<Record<string, string>> = {
  "32": "#5fb96b",
  "33": "#d7a94b",
  "36": "#5fafd7",
  "31": "#d75f5f",
};

const program = fileURLToPath(new URL("../dist/main.js", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "aisle-picture-"));
const portBase = await freePortBase(22_000);
const socket = `aisle-picture-${process.pid}`;

function tmux(...words: readonly string[]): string {
  const env = { ...process.env, TERM: "xterm-256color", LC_ALL: "C.UTF-8" };
  return execFileSync("tmux", ["-L", socket, ...words], { encoding: "utf8", env });
}

function environment(name: string): NodeJS.ProcessEnv {
  return { AISLE_DATA_DIR: join(folder, name), XDG_CONFIG_HOME: folder, AISLE_BROKERS: `tcp://127.0.0.1:${portBase}` };
}

function aisle(name: string, ...words: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...words], {
    env: { ...process.env, ...environment(name) },
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`aisle ${words.join(" ")}: ${stderr}`);
  return stdout;
}

/** Waits until the screen shows the text. */
async function shows(text: string): Promise<void> {
  for (let looks = 0; looks < 500; looks++) {
    if (tmux("capture-pane", "-p", "-t", "t").includes(text)) return;
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
  throw new Error(`never seen: ${text}`);
}

async function press(...keys: readonly string[]): Promise<void> {
  for (const key of keys) {
    tmux("send-keys", "-t", "t", ...(/^(Enter|Escape|Space|Down)$/.test(key) ? [key] : ["-l", key]));
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** What is on at the end of a line is on at the beginning of the next. */
let [fill, weight, opacity] = ["#d8d8d8", "400", "1"];

/** One line of a screen, with its colours, as text elements. */
function drawn(line: string, row: number): string {
  let column = 0;
  const parts: string[] = [];
  for (const part of line.split(/(\u001b\[[0-9;]*m)/)) {
    const code = /^\u001b\[([0-9;]*)m$/.exec(part)?.[1];
    if (code === undefined) {
      const text = part.trimEnd();
      const x = MARGIN + (column + part.length - part.trimStart().length) * CELL_WIDTH;
      const y = MARGIN + (row + 1) * CELL_HEIGHT;
      if (text.trim() !== "")
        parts.push(
          `<text x="${x.toFixed(1)}" y="${y}" fill="${fill}" font-weight="${weight}" opacity="${opacity}">${escaped(text.trimStart())}</text>`,
        );
      column += part.length;
      continue;
    }
    for (const one of code.split(";")) {
      if (one === "" || one === "0") [fill, weight, opacity] = ["#d8d8d8", "400", "1"];
      else if (one === "1") weight = "700";
      else if (one === "2") opacity = "0.6";
      else if (one === "22") [weight, opacity] = ["400", "1"];
      else if (one === "39") fill = "#d8d8d8";
      else fill = COLOURS[one] ?? fill;
    }
  }
  return parts.join("");
}

try {
  aisle("ann", "cluster", "up", "--brokers", "1", "--port-base", `${portBase}`, "--data", join(folder, "cluster"));
  const password = join(folder, "password");
  writeFileSync(password, "a password of some length\n");
  for (const name of ["ann", "ben"]) aisle(name, "register", name, "--password-file", password);
  aisle("ann", "new", "Groceries");
  aisle("ann", "add", "2 Milk @dairy", "6 Eggs @dairy", "Bread @bakery", "500g Flour, organic @bakery", "Coffee");
  aisle("ann", "aisles", "bakery", "dairy");
  aisle("ann", "sync");
  aisle("ben", "join", aisle("ann", "share", "Groceries").trim());
  const given = Object.entries(environment("ann")).flatMap(([name, value]) => ["-e", `${name}=${value ?? ""}`]);
  tmux(
    "-f",
    "/dev/null",
    "new-session",
    "-d",
    "-s",
    "t",
    "-x",
    `${COLUMNS}`,
    "-y",
    `${ROWS}`,
    ...given,
    `'${process.execPath}' '${program}'`,
  );
  await shows("online");
  await press("Down", "Space");
  await shows("[x] Bread");
  aisle("ben", "add", "Butter @dairy", "6 Eggs");
  aisle("ben", "got", "milk", "1");
  await shows("Butter");
  await shows("1 of 2");
  await press("a", "2 Tea");
  const screen = tmux("capture-pane", "-p", "-e", "-t", "t").trimEnd().split("\n");
  const [width, height] = [COLUMNS * CELL_WIDTH + 2 * MARGIN, (screen.length + 1) * CELL_HEIGHT + 2 * MARGIN];
  const svg = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="ui-monospace, Menlo, Consolas, monospace" font-size="14" xml:space="preserve">`,
    `<title>Aisle on a terminal: one shopper adds tea while another one's changes arrive</title>`,
    `<rect width="100%" height="100%" rx="8" fill="#1d1f21"/>`,
    ...screen.map((line, row) => drawn(line, row)),
    "</svg>",
  ].join("\n");
  writeFileSync(fileURLToPath(new URL("../docs/session.svg", import.meta.url)), `${svg}\n`);
  console.log(screen.join("\n"));
} finally {
  spawnSync("tmux", ["-L", socket, "kill-server"]);
  spawnSync(process.execPath, [program, "cluster", "down", "--data", join(folder, "cluster")]);
  rmSync(folder, { recursive: true, force: true });
}
