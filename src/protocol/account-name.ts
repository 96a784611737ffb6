const ACCOUNT_NAME = /^[\p{L}\p{N}][\p{L}\p{M}\p{N}._-]{0,31}$/u;
const INVISIBLE = /\p{Default_Ignorable_Code_Point}/u;

/** Scripts with letters that look the same: a name that mixes them passes for somebody else's. */
const LOOKALIKES = [/\p{Script=Latin}/u, /\p{Script=Cyrillic}/u, /\p{Script=Greek}/u, /\p{Script=Armenian}/u];

/** Whether a person may be called so: up to 32 letters, digits, dots, hyphens and underscores, all of them to be seen. */
export function isAccountName(text: string): boolean {
  const isPlain = text === text.normalize("NFKC") && ACCOUNT_NAME.test(text) && !INVISIBLE.test(text);
  return isPlain && LOOKALIKES.filter((script) => script.test(text)).length <= 1;
}
