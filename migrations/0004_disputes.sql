-- Verdicts that are disputed, and results that were never handed over.

-- What a second look at a disputed result found; it rests on its evidence as a verdict does.
CREATE TABLE rulings (
    task          BLOB PRIMARY KEY REFERENCES submissions (task),
    ruling        TEXT NOT NULL CHECK (ruling IN ('accepted', 'rejected')),
    evidence_hash BLOB NOT NULL UNIQUE CHECK (length(evidence_hash) = 32),
    evidence      BLOB NOT NULL CHECK (length(evidence) > 0),
    reason        TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TRIGGER rulings_are_final BEFORE UPDATE ON rulings
BEGIN SELECT RAISE(ABORT, 'a ruling is final'); END;
CREATE TRIGGER rulings_are_kept BEFORE DELETE ON rulings
BEGIN SELECT RAISE(ABORT, 'a ruling is final'); END;

-- Three more kinds of intent: `undelivered` (the verdict that nothing was handed over), `penalise`
-- (its end), `ruling`. Each once a task; `verdict`, `finalize` and `prove` as before.
CREATE TABLE outbox_with_disputes (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    task     BLOB NOT NULL REFERENCES tasks (id),
    kind     TEXT NOT NULL
             CHECK (kind IN ('assign', 'commit', 'verdict', 'finalize', 'expire', 'prove', 'redeem',
                             'top_up', 'undelivered', 'penalise', 'ruling')),
    round    INTEGER NOT NULL CHECK (round >= 0),
    intent   BLOB NOT NULL,
    evidence BLOB,
    state    TEXT NOT NULL DEFAULT 'pending'
             CHECK (state IN ('pending', 'signed', 'sent', 'final', 'done', 'refused', 'void')),
    message  INTEGER REFERENCES messages (id),
    body_hash BLOB,
    attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    not_before INTEGER NOT NULL DEFAULT 0,
    reason   TEXT,
    UNIQUE (task, kind, round),
    FOREIGN KEY (task, evidence) REFERENCES verdicts (task, evidence_hash),
    CHECK (kind NOT IN ('verdict', 'finalize') OR (round = 0 AND evidence IS NOT NULL)),
    CHECK (kind <> 'redeem' OR evidence IS NOT NULL),
    CHECK (kind IN ('assign', 'expire', 'redeem', 'top_up') OR round = 0),
    CHECK (state NOT IN ('signed', 'sent', 'final') OR message IS NOT NULL)
) STRICT;
INSERT INTO outbox_with_disputes (id, task, kind, round, intent, evidence, state, message, body_hash,
                                  attempts, not_before, reason)
SELECT id, task, kind, round, intent, evidence, state, message, body_hash, attempts, not_before,
       reason FROM outbox;
DROP TABLE outbox;
ALTER TABLE outbox_with_disputes RENAME TO outbox;
CREATE INDEX outbox_by_state ON outbox (state, not_before, id);
CREATE INDEX outbox_by_message ON outbox (message);
CREATE TRIGGER outbox_keeps_its_intent BEFORE UPDATE OF task, kind, round, intent, evidence ON outbox
BEGIN SELECT RAISE(ABORT, 'an intent does not change'); END;
CREATE TRIGGER a_proof_before_its_message BEFORE INSERT ON outbox
WHEN NEW.kind = 'prove' AND NOT EXISTS (SELECT 1 FROM proofs WHERE task = NEW.task)
BEGIN SELECT RAISE(ABORT, 'no message of a proof without the proof'); END;
CREATE TRIGGER a_ruling_before_its_message BEFORE INSERT ON outbox
WHEN NEW.kind = 'ruling' AND NOT EXISTS (SELECT 1 FROM rulings WHERE task = NEW.task)
BEGIN SELECT RAISE(ABORT, 'no message of a ruling without the ruling'); END;
CREATE TRIGGER nobody_withheld_what_is_here BEFORE INSERT ON outbox
WHEN NEW.kind = 'undelivered' AND EXISTS (SELECT 1 FROM submissions WHERE task = NEW.task)
BEGIN SELECT RAISE(ABORT, 'the result was handed over'); END;
-- As 0003_rail.sql has it: what is on chain for a task of the account rail is nothing of its own.
CREATE TRIGGER no_contract_no_message BEFORE INSERT ON outbox
WHEN NEW.kind NOT IN ('redeem', 'top_up') AND EXISTS (SELECT 1 FROM rail_tasks WHERE task = NEW.task)
BEGIN SELECT RAISE(ABORT, 'a task of the account rail has no contract'); END;
CREATE TRIGGER one_verdict_a_task BEFORE INSERT ON outbox
WHEN NEW.kind = 'verdict' AND EXISTS (
    SELECT 1 FROM outbox WHERE task = NEW.task AND kind = 'undelivered')
BEGIN SELECT RAISE(ABORT, 'its verdict says that nothing was handed over'); END;
