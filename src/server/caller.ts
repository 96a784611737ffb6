import type { PrincipalId } from "../crdt/access-record.js";
import type { LoginId } from "../crdt/account-record.js";

/** What a token of this cluster says, whose signature and time were found good. */
export interface Claims {
  readonly account: PrincipalId;
  readonly name: string;
  readonly login: LoginId;
}

/** Who asks, as far as the request alone tells. */
export interface Caller {
  readonly device: PrincipalId | null;
  readonly claims: Claims | null;
  readonly isOperator: boolean;
  /** What is wrong with a token that came along, or null. A bad one is refused, never taken for none. */
  readonly problem: string | null;
  /** The server's wall clock when the request came, in milliseconds since 1970: for what expires. */
  readonly at: number;
}

/** Who asks, once the account's own record was heard. */
export interface Asker {
  readonly device: PrincipalId | null;
  readonly account: { readonly id: PrincipalId; readonly name: string } | null;
}
