-- Results that were accepted without a look, and whose worker was caught before they were paid: they are
-- looked at again, and what is wrong is challenged on chain by the node.

CREATE TABLE rechecks (
    task     BLOB PRIMARY KEY REFERENCES verdicts (task),
    -- The task whose result was found wrong.
    caught   BLOB NOT NULL CHECK (length(caught) = 32),
    found    TEXT NOT NULL CHECK (found IN ('due', 'right', 'wrong', 'too_late')),
    evidence BLOB CHECK (length(evidence) = 32),
    CHECK ((found = 'wrong') = (evidence IS NOT NULL))
) STRICT, WITHOUT ROWID;
CREATE TRIGGER rechecks_end_once BEFORE UPDATE ON rechecks
WHEN OLD.found <> 'due' AND (NEW.found, NEW.evidence) IS NOT (OLD.found, OLD.evidence)
BEGIN SELECT RAISE(ABORT, 'it was looked at'); END;
CREATE TRIGGER nothing_is_wrong_without_evidence BEFORE UPDATE ON rechecks
WHEN NEW.found = 'wrong' AND NOT EXISTS (
    SELECT 1 FROM rulings WHERE task = NEW.task AND ruling = 'rejected'
                            AND evidence_hash = NEW.evidence)
BEGIN SELECT RAISE(ABORT, 'nothing is wrong without evidence'); END;

-- The rate at which a verdict's draw was made; none in those that are older.
ALTER TABLE verdicts ADD COLUMN rate_ppm INTEGER CHECK (rate_ppm BETWEEN 0 AND 1000000);
-- How far its worker was trusted then: what was left of the rate that its history asks for.
ALTER TABLE verdicts ADD COLUMN trust_ppm INTEGER CHECK (trust_ppm BETWEEN 1 AND 1000000);

-- What this node is due in tasks that were paid in jettons, until it has been sent.
CREATE TABLE shares_due (
    task BLOB PRIMARY KEY REFERENCES tasks (id)
) STRICT, WITHOUT ROWID;

-- Three more kinds of intent: `challenge`, once a task; `anchor`, named after the hash of its epoch;
-- `claim_share`, again after the jetton's wallet has thrown it back.
CREATE TABLE outbox_with_both (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    task     BLOB NOT NULL,
    kind     TEXT NOT NULL
             CHECK (kind IN ('assign', 'commit', 'verdict', 'finalize', 'expire', 'prove', 'redeem',
                             'top_up', 'undelivered', 'penalise', 'ruling', 'challenge',
                             'pledge_open', 'pledge_reserve', 'pledge_promise', 'pledge_judge',
                             'pledge_end', 'pledge_expire', 'anchor', 'claim_share')),
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
    CHECK (kind IN ('assign', 'expire', 'redeem', 'top_up', 'pledge_expire', 'claim_share')
           OR round = 0),
    CHECK (state NOT IN ('signed', 'sent', 'final') OR message IS NOT NULL)
) STRICT;
INSERT INTO outbox_with_both (id, task, kind, round, intent, evidence, state, message,
                              body_hash, attempts, not_before, reason)
SELECT id, task, kind, round, intent, evidence, state, message, body_hash, attempts, not_before,
       reason FROM outbox;
DROP TABLE outbox;
ALTER TABLE outbox_with_both RENAME TO outbox;
CREATE INDEX outbox_by_state ON outbox (state, not_before, id);
CREATE INDEX outbox_by_message ON outbox (message);
CREATE TRIGGER outbox_keeps_its_intent BEFORE UPDATE OF task, kind, round, intent, evidence ON outbox
BEGIN SELECT RAISE(ABORT, 'an intent does not change'); END;
CREATE TRIGGER an_intent_is_of_a_task BEFORE INSERT ON outbox
WHEN NEW.kind NOT LIKE 'pledge_%' AND NEW.kind <> 'anchor'
 AND NOT EXISTS (SELECT 1 FROM tasks WHERE id = NEW.task)
BEGIN SELECT RAISE(ABORT, 'an intent of no task'); END;
CREATE TRIGGER an_intent_is_of_a_pledge BEFORE INSERT ON outbox
WHEN NEW.kind LIKE 'pledge_%' AND NOT EXISTS (SELECT 1 FROM pledges WHERE id = NEW.task)
BEGIN SELECT RAISE(ABORT, 'an intent of no pledge'); END;
CREATE TRIGGER a_pledge_is_judged_before_its_message BEFORE INSERT ON outbox
WHEN NEW.kind = 'pledge_judge'
 AND NOT EXISTS (SELECT 1 FROM pledges WHERE id = NEW.task AND verdict IS NOT NULL)
BEGIN SELECT RAISE(ABORT, 'no message of a verdict without the verdict'); END;
CREATE TRIGGER a_proof_before_its_message BEFORE INSERT ON outbox
WHEN NEW.kind = 'prove' AND NOT EXISTS (SELECT 1 FROM proofs WHERE task = NEW.task)
BEGIN SELECT RAISE(ABORT, 'no message of a proof without the proof'); END;
CREATE TRIGGER a_ruling_before_its_message BEFORE INSERT ON outbox
WHEN NEW.kind = 'ruling' AND NOT EXISTS (SELECT 1 FROM rulings WHERE task = NEW.task)
BEGIN SELECT RAISE(ABORT, 'no message of a ruling without the ruling'); END;
CREATE TRIGGER nobody_challenges_without_evidence BEFORE INSERT ON outbox
WHEN NEW.kind = 'challenge' AND NOT EXISTS (
    SELECT 1 FROM rulings WHERE task = NEW.task AND ruling = 'rejected')
BEGIN SELECT RAISE(ABORT, 'no challenge without evidence'); END;
CREATE TRIGGER nothing_is_claimed_that_is_not_due BEFORE INSERT ON outbox
WHEN NEW.kind = 'claim_share' AND NOT EXISTS (SELECT 1 FROM shares_due WHERE task = NEW.task)
BEGIN SELECT RAISE(ABORT, 'nothing is claimed that is not due'); END;
CREATE TRIGGER nobody_withheld_what_is_here BEFORE INSERT ON outbox
WHEN NEW.kind = 'undelivered' AND EXISTS (SELECT 1 FROM submissions WHERE task = NEW.task)
BEGIN SELECT RAISE(ABORT, 'the result was handed over'); END;
CREATE TRIGGER no_contract_no_message BEFORE INSERT ON outbox
WHEN NEW.kind NOT IN ('redeem', 'top_up') AND EXISTS (SELECT 1 FROM rail_tasks WHERE task = NEW.task)
BEGIN SELECT RAISE(ABORT, 'a task of the account rail has no contract'); END;
CREATE TRIGGER one_verdict_a_task BEFORE INSERT ON outbox
WHEN NEW.kind = 'verdict' AND EXISTS (
    SELECT 1 FROM outbox WHERE task = NEW.task AND kind = 'undelivered')
BEGIN SELECT RAISE(ABORT, 'its verdict says that nothing was handed over'); END;
