import { isOfList, NAMES, REPLICAS, RULES, type Change, type Step } from "./scripts.js";

export interface Totals {
  readonly needed: number;
  readonly acquired: number;
}

/** What is on a list: the present items and their amounts. */
export type View = ReadonlyMap<string, Totals>;

/** A replica of some implementation, right or wrong, driven in lockstep with the oracle. */
export interface Subject<Delta> {
  change(step: Change): Delta;
  receive(delta: Delta): void;
  /** Takes what `other` has and this one lacks. */
  pullFrom(other: Subject<Delta>): void;
  view(): View;
}

interface KnownOperation extends Totals {
  readonly isRemove: boolean;
  /** What counts no more once this is known, although the item stays on the list. */
  readonly replaces?: ReadonlySet<KnownOperation>;
  /** The operations on the same item that its author knew. */
  readonly saw: ReadonlySet<KnownOperation>;
}

/** Per item name, the operations a replica knows. */
type Knowledge = Map<string, Set<KnownOperation>>;

function knownOf(knowledge: Knowledge, name: string): Set<KnownOperation> {
  let known = knowledge.get(name);
  if (known === undefined) knowledge.set(name, (known = new Set()));
  return known;
}

/** The definition of right: all operations, less those that a remove had seen. No lattice, no vectors, no cleverness. */
function viewOf(knowledge: Knowledge): View {
  const view = new Map<string, Totals>();
  for (const [name, known] of knowledge) {
    const cancelled = new Set<KnownOperation>();
    // Whoever removes a return removes those of earlier periods with it, made or not.
    for (const { isRemove, saw } of known)
      if (isRemove) for (const seen of saw) for (const one of [seen, ...(seen.replaces ?? [])]) cancelled.add(one);
    const standing = [...known].filter((operation) => !operation.isRemove && !cancelled.has(operation));
    if (standing.length === 0) continue;
    const replaced = new Set([...known].flatMap(({ replaces }) => [...(replaces ?? [])]));
    const counted = standing.filter((operation) => !replaced.has(operation));
    const sum = (part: keyof Totals): number => counted.reduce((total, operation) => total + operation[part], 0);
    view.set(name, { needed: sum("needed"), acquired: sum("acquired") });
  }
  return view;
}

type Return = Extract<Step, { type: "return" }>;

/** The returns of a rule: one for each period, whoever makes it, in place of those of earlier periods. */
class Returns {
  readonly #made = new Map<string, KnownOperation>();

  of({ name, rule, period }: Omit<Return, "type" | "replica">): KnownOperation {
    const key = `${name} ${rule} ${period}`;
    const known = this.#made.get(key);
    if (known !== undefined) return known;
    const earlier = Array.from({ length: period - 1 }, (_, before) => this.of({ name, rule, period: before + 1 }));
    const amount = Number(RULES[rule]?.split(" ").at(-1));
    const made = {
      isRemove: false,
      saw: new Set<KnownOperation>(),
      replaces: new Set(earlier),
      needed: amount,
      acquired: 0,
    };
    this.#made.set(key, made);
    return made;
  }
}

/** What `step` does, given what its author sees. */
function operationOf(step: Change, seen: View, saw: ReadonlySet<KnownOperation>): KnownOperation {
  const isAbsent = !("name" in step) || !seen.has(NAMES[step.name] ?? "");
  // What is only said about an item that is off the list leaves it there.
  if (step.type === "staple" && isAbsent) return { isRemove: true, saw: new Set(saw), needed: 0, acquired: 0 };
  const base = { isRemove: step.type === "remove", saw: new Set(saw), needed: 0, acquired: 0 };
  if (step.type === "add") return { ...base, needed: step.amount };
  if (step.type === "acquire") return { ...base, acquired: step.amount };
  if (step.type === "compensate") return { ...base, needed: step.amount, acquired: -step.amount };
  if (step.type === "need") return { ...base, needed: step.amount - (seen.get(NAMES[step.name] ?? "")?.needed ?? 0) };
  return base;
}

function same(a: View, b: View): boolean {
  if (a.size !== b.size) return false;
  for (const [name, totals] of a) {
    const other = b.get(name);
    if (other?.needed !== totals.needed || other.acquired !== totals.acquired) return false;
  }
  return true;
}

/**
 * Plays a script on subjects and oracle in lockstep, then lets everyone pull from everyone.
 * @returns what first differed, or null when every view was right at every step.
 */
export function firstDifference<Delta>(
  script: readonly Step[],
  newSubject: (replica: string) => Subject<Delta>,
): string | null {
  const subjects = REPLICAS.map((replica) => newSubject(replica));
  const returns = new Returns();
  const knowledges: Knowledge[] = REPLICAS.map((): Knowledge => new Map());
  const deltas: {
    readonly delta: Delta;
    readonly name: string | null;
    readonly brings: ReadonlySet<KnownOperation>;
  }[] = [];
  const pairAt = (index: number): [Subject<Delta>, Knowledge] => {
    const subject = subjects[index];
    const knowledge = knowledges[index];
    if (subject === undefined || knowledge === undefined) throw new Error("no such replica");
    return [subject, knowledge];
  };
  const pull = (to: number, from: number): void => {
    const [subject, knowledge] = pairAt(to);
    const [source, sourceKnowledge] = pairAt(from);
    subject.pullFrom(source);
    for (const [name, known] of sourceKnowledge) known.forEach((one) => knownOf(knowledge, name).add(one));
  };
  const take = (step: Step): void => {
    if (step.type === "pull") {
      pull(step.replica, step.from);
      return;
    }
    const [subject, knowledge] = pairAt(step.replica);
    if (step.type === "deliver") {
      const message = deltas[step.delta % Math.max(1, deltas.length)];
      if (message === undefined) return;
      subject.receive(message.delta);
      const { name } = message;
      if (name !== null) message.brings.forEach((one) => knownOf(knowledge, name).add(one));
      return;
    }
    const name = isOfList(step) ? null : (NAMES[step.name] ?? "");
    if (name !== null) {
      const known = knownOf(knowledge, name);
      known.add(step.type === "return" ? returns.of(step) : operationOf(step, viewOf(knowledge), known));
    }
    const brings = new Set(name === null ? [] : knownOf(knowledge, name));
    deltas.push({ delta: subject.change(step), name, brings });
  };
  const wrongAt = (when: string): string | null => {
    for (const index of REPLICAS.keys()) {
      const [subject, knowledge] = pairAt(index);
      const [got, expected] = [subject.view(), viewOf(knowledge)];
      if (!same(got, expected))
        return `${when}: ${JSON.stringify([...got])} should be ${JSON.stringify([...expected])}`;
    }
    return null;
  };
  for (const [index, step] of script.entries()) {
    take(step);
    const wrong = wrongAt(`after step ${index} (${JSON.stringify(step)})`);
    if (wrong !== null) return wrong;
  }
  for (const to of REPLICAS.keys()) for (const from of REPLICAS.keys()) pull(to, from);
  for (const to of REPLICAS.keys()) for (const from of REPLICAS.keys()) pull(to, from);
  return wrongAt("after everyone pulled from everyone");
}
