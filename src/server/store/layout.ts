/** What is in a server's folder. */
export const LAYOUT = {
  journal: "journal",
  snapshots: "snapshots",
  /** What was not as it had been written. */
  damaged: "damaged",
  membership: "membership.json",
  lock: "lock",
  /** Is there where the folder has less than its server has told others: by damage, or as a copy from earlier. */
  lost: "lost",
} as const;
