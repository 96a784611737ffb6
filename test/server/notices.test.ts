import { afterEach, beforeEach, describe, expect, it, jest } from "@jest/globals";
import { Notices } from "../../src/server/notices.js";

describe("news that lists have moved", () => {
  let sent: (readonly string[])[];
  let notices: Notices;

  beforeEach(() => {
    jest.useFakeTimers();
    sent = [];
    notices = new Notices((topics) => sent.push(topics));
  });

  afterEach(() => void jest.useRealTimers());

  it("go out at once after a quiet moment, and else together, each list once", () => {
    for (const topic of ["a", "b", "c", "b"]) notices.add(topic);
    expect(sent).toEqual([["a"]]);
    jest.advanceTimersByTime(10);
    expect(sent).toEqual([["a"], ["b", "c"]]);
    notices.add("a");
    jest.advanceTimersByTime(20);
    expect(sent).toEqual([["a"], ["b", "c"], ["a"]]);
    notices.add("a");
    expect(sent).toHaveLength(4);
  });

  it("fill as many messages as they need, and leave before their time where the server ends", () => {
    for (let number = 0; number <= 100; number++) notices.add(`list-${number}`);
    notices.flush();
    expect(sent.map(({ length }) => length)).toEqual([1, 64, 36]);
  });
});
