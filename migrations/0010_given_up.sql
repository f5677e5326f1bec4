-- What the worker of a task says of why it gave the task up: the first it says. Shown as its claim;
-- nothing follows from it.
CREATE TABLE given_up (
    task   BLOB PRIMARY KEY REFERENCES tasks (id),
    worker TEXT NOT NULL,
    at     INTEGER NOT NULL CHECK (at >= 0),
    -- Borsh of fog_protocol::GiveUpCause.
    cause  BLOB NOT NULL CHECK (length(cause) BETWEEN 1 AND 256),
    detail TEXT NOT NULL CHECK (length(detail) <= 300)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER given_up_is_said_once BEFORE UPDATE ON given_up
BEGIN SELECT RAISE(ABORT, 'what a worker said stays'); END;
