-- What was appended for each list, by its digest: the list is the join of all its rows. Rows are only ever added, or replaced by
-- one that is their join, so no writer has to read what is there, and any number of servers may write at once.
CREATE TABLE aisle_delta (
  list uuid NOT NULL,
  digest text NOT NULL,
  partition smallint NOT NULL,
  body text NOT NULL,
  PRIMARY KEY (list, digest)
);

CREATE INDEX aisle_delta_partition ON aisle_delta (partition, list);
