-- Version 3. A run has a row once its record was looked at; `status` is how it ended, or `open`, or `begun` without a record.
-- `stamp` is what changes when somebody touches the record.
CREATE TABLE runs (
    id     TEXT PRIMARY KEY,
    status TEXT NOT NULL,
    began  INTEGER,
    last   INTEGER,
    seq    INTEGER NOT NULL,
    hash   TEXT NOT NULL,
    plan   TEXT NOT NULL,
    asked  TEXT NOT NULL,
    given  TEXT NOT NULL,
    words  TEXT NOT NULL,
    stamp  TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX runs_by_status ON runs (status, id);

-- Which runs were asked for a task.
CREATE TABLE asked (
    task TEXT NOT NULL,
    run  TEXT NOT NULL,
    PRIMARY KEY (task, run)
) WITHOUT ROWID;
CREATE INDEX asked_by_run ON asked (run);

-- What ran in a run, or need not: `step` is empty for a task itself, `micros` is null for what did not run.
CREATE TABLE work (
    run     TEXT NOT NULL,
    number  INTEGER NOT NULL,
    task    TEXT NOT NULL,
    step    TEXT NOT NULL,
    outcome TEXT NOT NULL,
    micros  INTEGER,
    retries INTEGER NOT NULL,
    PRIMARY KEY (run, number)
) WITHOUT ROWID;

-- How far the list of changes was read.
CREATE TABLE cursor (text TEXT NOT NULL);
