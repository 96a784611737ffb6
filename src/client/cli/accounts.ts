import { hostname } from "node:os";
import { type Command, Option } from "commander";
import { ACCOUNT_LIMITS } from "../../crdt/account-record.js";
import {
  decodeAccountReply,
  encodeAccountRequest,
  type AccountReply,
  type AccountRequest,
} from "../../protocol/account-messages.js";
import { isAccountName } from "../../protocol/account-name.js";
import { accountDocumentOf, hashOfSecret, isSecret } from "../../protocol/identity.js";
import { monotonicMs, wallClockMs } from "../../runtime/clock.js";
import { randomId, randomSecret } from "../../runtime/rng.js";
import { AisleError, EXIT, usageError } from "../errors.js";
import type { Entrance, LoginFile } from "../data-folder.js";
import type { LocalList } from "../local-list.js";
import { displayable } from "../text.js";
import { adoptLists } from "../adoption.js";
import { ask, askForChange } from "./asking.js";
import { optionalWord, word, type Act, type Registration } from "./command.js";
import { confirm } from "./confirm.js";
import { say, type CommandResult, type Context } from "./context.js";
import { readSecrets } from "./password.js";
import { counted, t } from "../messages.js";

/** Hashing a password takes a server some tenths of a second, and others may be before us. */
const ACCOUNT_BUDGET_MS = 12_000;
const ACCOUNT_PATIENCE_MS = 10_000;
/** Telling the cluster of a logout is worth this much waiting. */
const LOGOUT_BUDGET_MS = 2_000;
/** Sending the lists that were made before is worth this much. */
const BRING_BUDGET_MS = 5_000;

/** Commands about who one is. */
export function registerAccounts({ program, act }: Registration): void {
  registerEntrances(program, act);

  program.command("logout").description("log out on this device; the lists stay on it").action(act(logout));

  program
    .command("whoami")
    .description("the account that is logged in on this device")
    .action(
      act((context) => {
        const { name, account, login, expires } = currentLogin(context);
        const value = { name, id: account, device: login, expires: new Date(expires).toISOString() };
        return { value, text: displayable(name) };
      }),
    );

  program
    .command("devices")
    .argument("[revoke]", "`revoke` to end a login")
    .argument("[id]", "the login to end")
    .description("where the account is logged in; `devices revoke ID` ends a login at once")
    .action(act(async (context, words) => await devices(context, optionalWord(words, 0), optionalWord(words, 1))));
}

/** Commands that ask for a password. */
function registerEntrances(program: Command, act: Act): void {
  const secretly = (command: Command): Command =>
    command
      .addOption(new Option("--password-stdin", "read it from what is piped in, one a line"))
      .addOption(new Option("--password-file <file>", "read it from a file, one a line"));

  secretly(program.command("register").argument("<name>", "letters, digits, dots and hyphens"))
    .description("make an account, log in, and get recovery codes")
    .action(
      act(async (context, words, flags) => {
        const name = accountName(word(words, 0));
        requireLoggedOut(context, name);
        const [password = ""] = await readSecrets(context, flags, { label: t("password"), isNew: true });
        return await register(context, name, password);
      }),
    );

  secretly(program.command("login").argument("<name>"))
    .description("log in on this device; lists made here before become the account's")
    .action(
      act(async (context, words, flags) => {
        const name = accountName(word(words, 0));
        requireLoggedOut(context, name);
        const [password = ""] = await readSecrets(context, flags, { label: t("password"), isNew: false });
        return await enter(context, { do: "login", name, password, login: freshLogin() }, t("logged in as"));
      }),
    );

  secretly(program.command("recover").argument("<name>"))
    .description("log in with a recovery code and choose a new password (the code first, then the password)")
    .action(
      act(async (context, words, flags) => {
        const name = accountName(word(words, 0));
        requireLoggedOut(context, name);
        const wanted = [
          { label: t("recovery code"), isNew: false },
          { label: t("new password"), isNew: true },
        ];
        const [code = "", password = ""] = await readSecrets(context, flags, ...wanted);
        return await recover(context, name, code.trim(), password);
      }),
    );

  secretly(program.command("password"))
    .description("change the password (the old one first, then the new); all other devices have to log in again")
    .action(
      act(async (context, _words, flags) => {
        const { name } = currentLogin(context);
        const wanted = [
          { label: t("old password"), isNew: false },
          { label: t("new password"), isNew: true },
        ];
        const [password = "", next = ""] = await readSecrets(context, flags, ...wanted);
        if (context.options.dryRun === true) return { value: { account: name }, text: t("would change the password") };
        await askAccounts(context, name, { do: "change-password", password, next });
        return { value: { account: name }, text: t("the password is changed; other devices have to log in again") };
      }),
    );
}

function accountName(text: string): string {
  const name = text.normalize("NFKC");
  if (isAccountName(name)) return name;
  throw usageError(
    t`"${displayable(text.slice(0, 80))}" is no name for an account`,
    t("up to 32 letters, digits, dots, hyphens and underscores"),
  );
}

function freshLogin(): { readonly id: string; readonly label: string } {
  return { id: randomId(), label: hostname().slice(0, ACCOUNT_LIMITS.labelLength) };
}

/** @throws AisleError where nobody is logged in, or not any more */
export function currentLogin(context: Context): LoginFile {
  const login = context.workspace.folder.login();
  const hint = t("log in with `aisle login NAME`, or make an account with `aisle register NAME`");
  if (login === null) throw new AisleError(EXIT.notAllowed, "unauthenticated", t("you are not logged in"), hint);
  if (login.expires > wallClockMs()) return login;
  throw new AisleError(EXIT.notAllowed, "unauthenticated", t`the login of ${login.name} has expired`, hint);
}

async function askAccounts(
  context: Context,
  name: string,
  request: AccountRequest,
  budgetMs = ACCOUNT_BUDGET_MS,
): Promise<AccountReply> {
  const body = encodeAccountRequest(request);
  const question = {
    kind: "account",
    listId: accountDocumentOf(name),
    body,
    patienceMs: ACCOUNT_PATIENCE_MS,
  } as const;
  // What only reads, and a login that is soon made again, may be on fewer servers.
  const isLasting = !["login", "renew", "logins"].includes(request.do);
  try {
    return await (isLasting ? askForChange : ask)(context, question, decodeAccountReply, budgetMs);
  } catch (error) {
    if (!("password" in request) || !(error instanceof AisleError) || error.code !== "unauthenticated") throw error;
    const hint = request.do === "login" ? t("forgotten? see `aisle recover`") : t("try again; nothing was changed");
    throw new AisleError(EXIT.notAllowed, error.code, error.message, hint);
  }
}

async function register(context: Context, name: string, password: string): Promise<CommandResult> {
  if (context.options.dryRun === true)
    return { value: { account: name }, text: t`would register ${displayable(name)}` };
  const entrance = await context.workspace.beginEntrance(`register ${name}`, freshEntrance);
  const { nonce, login, recoveryCodes } = entrance;
  const hashes = recoveryCodes.map(hashOfSecret);
  const request: AccountRequest = { do: "register", name, nonce, password, recoveryCodes: hashes, login };
  const { value, text } = await enter(context, request, t("registered and logged in as"));
  const told = [
    t("recovery codes, each good once should you forget the password; write them down now:"),
    ...recoveryCodes.map((code) => `  ${code}`),
  ];
  return { value: { ...(value as object), recoveryCodes }, text: [text, ...told].join("\n") };
}

async function recover(context: Context, name: string, code: string, password: string): Promise<CommandResult> {
  if (!isSecret(code)) throw usageError(t("that is no recovery code"), t("it has 22 letters, digits, - and _"));
  if (context.options.dryRun === true) return { value: { account: name }, text: t`would recover ${displayable(name)}` };
  const what = `recover ${name} ${hashOfSecret(code).slice(0, 12)}`;
  const { login } = await context.workspace.beginEntrance(what, freshEntrance);
  return await enter(context, { do: "recover", name, code, password, login }, t("logged in as"));
}

function freshEntrance(): Omit<Entrance, "what"> {
  const recoveryCodes = Array.from({ length: ACCOUNT_LIMITS.recoveryCodes }, randomSecret);
  return { nonce: randomSecret(), login: freshLogin(), recoveryCodes };
}

/** What logs in: keeps the token, and makes the lists of this device the account's. */
async function enter(
  context: Context,
  request: Extract<AccountRequest, { readonly name: string }>,
  what: string,
): Promise<CommandResult> {
  if (context.options.dryRun === true)
    return { value: { account: request.name }, text: t`would log in as ${displayable(request.name)}` };
  // In a batch, what came before was somebody else's doing.
  context.workspace.commit();
  const { account, token, login } = await askAccounts(context, request.name, request);
  if (token === null) throw new AisleError(EXIT.failed, "internal", t("the cluster logged you in and gave no token"));
  await context.workspace.saveLogin({
    name: account.name,
    account: account.id,
    login,
    token: token.text,
    expires: token.expires,
    since: wallClockMs(),
  });
  const { adopted, waiting } = await bringLists(context);
  await context.workspace.endEntrance();
  const told = [
    `${what} ${displayable(account.name)}`,
    ...(adopted === 0
      ? []
      : [
          counted(
            adopted,
            "{{count}} list made on this device before is yours now",
            "{{count}} lists made on this device before are yours now",
          ),
        ]),
    ...(waiting === 0
      ? []
      : [
          counted(
            waiting,
            "{{count}} list made on this device before will be yours once `aisle sync` has sent it",
            "{{count}} lists made on this device before will be yours once `aisle sync` has sent them",
          ),
        ]),
  ];
  return { value: { account: account.name, id: account.id, device: login, adopted }, text: told.join("; ") };
}

/** Makes lists of the device the account's, those that the cluster has not heard of yet included. */
async function bringLists(context: Context): Promise<{ readonly adopted: number; readonly waiting: number }> {
  const ofDevice = (): readonly LocalList[] => context.lists(true).filter((list) => list.rights.isOfDevice);
  const before = ofDevice();
  const unfounded = before.filter((list) => list.rights.isUnfounded);
  if (unfounded.length > 0) {
    const [synchronizer, deadline] = [await context.synchronizer(), monotonicMs() + BRING_BUDGET_MS];
    try {
      for (const { id } of unfounded) await synchronizer.synchronize(id, Math.max(1, deadline - monotonicMs()));
    } catch (error) {
      if (!(error instanceof AisleError)) throw error;
    }
  }
  const adopted = await adoptLists(context, ofDevice());
  return { adopted, waiting: before.length - adopted };
}

function requireLoggedOut(context: Context, name: string): void {
  const login = context.workspace.folder.login();
  if (login === null || login.name === name) return;
  throw new AisleError(
    EXIT.refused,
    "logged-in",
    t`${displayable(login.name)} is logged in on this device`,
    t("run `aisle logout` first"),
  );
}

async function logout(context: Context): Promise<CommandResult> {
  const login = context.workspace.folder.login();
  if (login === null) throw new AisleError(EXIT.notAllowed, "unauthenticated", t("you are not logged in"));
  if (context.options.dryRun === true)
    return { value: { account: login.name }, text: t`would log ${displayable(login.name)} out on this device` };
  try {
    await askAccounts(context, login.name, { do: "revoke", login: login.login }, LOGOUT_BUDGET_MS);
  } catch (error) {
    if (!(error instanceof AisleError)) throw error;
    const isEnded = error.exitCode === EXIT.notAllowed;
    if (!isEnded)
      say(t("aisle: the cluster could not be told; end the login from another device with `aisle devices revoke`"));
  }
  await context.workspace.saveLogin(null);
  return { value: { account: null }, text: t`${displayable(login.name)} is logged out on this device` };
}

async function devices(context: Context, verb: string | undefined, id: string | undefined): Promise<CommandResult> {
  const current = currentLogin(context);
  if (verb !== undefined && (verb !== "revoke" || id === undefined))
    throw usageError(t("it is `aisle devices`, or `aisle devices revoke ID`"));
  if (id !== undefined) {
    if (!/^[0-9A-Za-z_-]{8,36}$/.test(id))
      throw usageError(t("that is no login's id"), t("see them with `aisle devices`"));
    await confirm(context, t`end the login ${id}?`);
  }
  const request: AccountRequest =
    id === undefined || context.options.dryRun === true ? { do: "logins" } : { do: "revoke", login: id };
  const { logins, login } = await askAccounts(context, current.name, request);
  const value = logins.map((one) => ({ ...one, at: new Date(one.at).toISOString(), current: one.id === login }));
  const lines = value.map(
    (one) =>
      t`${one.id}  ${displayable(one.label)}  since ${one.at.slice(0, 10)}${one.current ? t("  (this one)") : ""}`,
  );
  return { value, text: lines.join("\n") };
}
