import type { Context } from "./context.js";
import { chooseList } from "./choose-list.js";

/** The current list on a terminal, live, until the person leaves. */
export async function interact(context: Context): Promise<void> {
  const style = await context.style();
  const { Screen } = await import("./screen.js");
  const { Dialogue } = await import("./dialogue.js");
  for (let another = false; ; another = true) {
    const list = await chooseList(context, another);
    const shown = style.words ? new Dialogue(context, list, style) : new Screen(context, list, style);
    if ((await shown.show()) === "quit") return;
  }
}
