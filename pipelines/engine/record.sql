-- What is known of every run under one root. Lists and objects are JSON; times are seconds.

CREATE TABLE IF NOT EXISTS runs (
    run        TEXT PRIMARY KEY,
    pipeline   TEXT NOT NULL,
    digest     TEXT NOT NULL,          -- of the compiled file
    parameters TEXT NOT NULL,
    project    TEXT NOT NULL,
    state      TEXT NOT NULL,
    started    REAL NOT NULL,
    ended      REAL,
    outputs    TEXT
);

CREATE TABLE IF NOT EXISTS executions (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    run       TEXT NOT NULL REFERENCES runs ON DELETE CASCADE,
    task      TEXT NOT NULL,           -- its path, as in for-loop-1/0/train
    program   TEXT NOT NULL,           -- what ran; empty for what needs no process
    state     TEXT NOT NULL,
    message   TEXT NOT NULL,
    origin    INTEGER REFERENCES executions ON DELETE SET NULL,  -- whose outputs were taken
    key       TEXT,                    -- what the outputs depend on, as a digest; NULL: never cached
    alone     TEXT,                    -- the same without the rival's part (see key.py)
    parts     TEXT NOT NULL,           -- what the key is a digest of
    why       TEXT NOT NULL,           -- why the cache was not asked, or did not serve
    started   REAL NOT NULL,
    ended     REAL NOT NULL,
    waited    REAL NOT NULL,           -- for a process to be ready
    seconds   REAL NOT NULL,           -- of execution, in all tries
    cpu       REAL NOT NULL,
    memory    INTEGER NOT NULL,        -- bytes that the largest process held at most
    tries     INTEGER NOT NULL,
    code      INTEGER,
    directory TEXT NOT NULL,           -- of the try that counts, relative to the root
    inputs    TEXT NOT NULL,
    outputs   TEXT NOT NULL,
    UNIQUE (run, task)
);

CREATE INDEX IF NOT EXISTS executions_by_key ON executions (key);
CREATE INDEX IF NOT EXISTS executions_by_alone ON executions (alone);
CREATE INDEX IF NOT EXISTS executions_by_task ON executions (task);
CREATE INDEX IF NOT EXISTS executions_by_origin ON executions (origin);

CREATE TABLE IF NOT EXISTS artifacts (
    execution INTEGER NOT NULL REFERENCES executions ON DELETE CASCADE,  -- who made it
    name      TEXT NOT NULL,
    uri       TEXT NOT NULL,
    type      TEXT NOT NULL,
    metadata  TEXT NOT NULL,
    digest    TEXT,                    -- of its content; NULL: it cannot be seen from here
    stamp     TEXT,                    -- of its files' names, sizes and times
    bytes     INTEGER
);

CREATE INDEX IF NOT EXISTS artifacts_by_execution ON artifacts (execution);
CREATE INDEX IF NOT EXISTS artifacts_by_uri ON artifacts (uri);
