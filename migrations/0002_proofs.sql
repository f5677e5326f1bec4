-- Tasks whose contract checks a proof: the proof is the verdict, so they have no other.

-- The message that settles such a task, as its worker sent it: proof and result. Checked here before
-- it was stored; the contract checks it again.
CREATE TABLE proofs (
    task    BLOB PRIMARY KEY REFERENCES tasks (id),
    message BLOB NOT NULL CHECK (length(message) > 0)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER proofs_are_final BEFORE UPDATE ON proofs
BEGIN SELECT RAISE(ABORT, 'a proof is final'); END;

-- One more kind of intent, `prove`: once a task, and only with the proof it sends.
CREATE TABLE outbox_with_proofs (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    task     BLOB NOT NULL REFERENCES tasks (id),
    kind     TEXT NOT NULL
             CHECK (kind IN ('assign', 'commit', 'verdict', 'finalize', 'expire', 'prove')),
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
    CHECK (kind <> 'prove' OR round = 0),
    CHECK (state NOT IN ('signed', 'sent', 'final') OR message IS NOT NULL)
) STRICT;
INSERT INTO outbox_with_proofs (id, task, kind, round, intent, evidence, state, message, body_hash,
                                attempts, not_before, reason)
SELECT id, task, kind, round, intent, evidence, state, message, body_hash, attempts, not_before,
       reason FROM outbox;
DROP TABLE outbox;
ALTER TABLE outbox_with_proofs RENAME TO outbox;
CREATE INDEX outbox_by_state ON outbox (state, not_before, id);
CREATE INDEX outbox_by_message ON outbox (message);
CREATE TRIGGER outbox_keeps_its_intent BEFORE UPDATE OF task, kind, round, intent, evidence ON outbox
BEGIN SELECT RAISE(ABORT, 'an intent does not change'); END;
CREATE TRIGGER a_proof_before_its_message BEFORE INSERT ON outbox
WHEN NEW.kind = 'prove' AND NOT EXISTS (SELECT 1 FROM proofs WHERE task = NEW.task)
BEGIN SELECT RAISE(ABORT, 'no message of a proof without the proof'); END;
