-- Stake that workers reserve in bulk for the account rail: a pledge a worker and epoch. Its task on
-- chain holds the stake; what the worker signed for it, consent and promise, was signed before.

CREATE TABLE pledges (
    -- The id of the task on chain, and its address.
    id       BLOB PRIMARY KEY CHECK (length(id) = 32),
    escrow   TEXT NOT NULL UNIQUE,
    worker   TEXT NOT NULL,
    stake    TEXT NOT NULL,
    earnings TEXT NOT NULL REFERENCES channels (address),
    number   INTEGER NOT NULL CHECK (number >= 0),
    price    INTEGER NOT NULL CHECK (price > 0),
    bid_seconds    INTEGER NOT NULL CHECK (bid_seconds > 0),
    commit_seconds INTEGER NOT NULL CHECK (commit_seconds > 0),
    lasts    INTEGER NOT NULL CHECK (lasts > 0),
    reserve  INTEGER NOT NULL CHECK (reserve > 0),
    -- Borsh of what the worker signed.
    bid      BLOB NOT NULL CHECK (length(bid) > 0),
    promise  BLOB NOT NULL CHECK (length(promise) > 0),
    state    TEXT NOT NULL
             CHECK (state IN ('consented', 'open', 'reserved', 'live', 'judged', 'ended')),
    -- Until when the state lasts on chain.
    deadline INTEGER CHECK (deadline >= 0),
    verdict  TEXT CHECK (verdict IN ('accepted', 'rejected')),
    -- Of a false result; or the root over the earnings' entries.
    evidence BLOB CHECK (length(evidence) = 32),
    slashed  INTEGER NOT NULL DEFAULT 0 CHECK (slashed BETWEEN 0 AND reserve),
    CHECK ((verdict IS NULL) = (evidence IS NULL)),
    CHECK ((state IN ('consented', 'ended')) = (deadline IS NULL)),
    UNIQUE (worker, number)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER a_pledge_keeps_its_terms
BEFORE UPDATE OF escrow, worker, stake, earnings, number, price, bid_seconds, commit_seconds, lasts,
                 reserve, bid, promise ON pledges
WHEN (NEW.escrow, NEW.worker, NEW.stake, NEW.earnings, NEW.number, NEW.price, NEW.bid_seconds,
      NEW.commit_seconds, NEW.lasts, NEW.reserve, NEW.bid, NEW.promise)
  <> (OLD.escrow, OLD.worker, OLD.stake, OLD.earnings, OLD.number, OLD.price, OLD.bid_seconds,
      OLD.commit_seconds, OLD.lasts, OLD.reserve, OLD.bid, OLD.promise)
BEGIN SELECT RAISE(ABORT, 'a pledge keeps its terms'); END;
CREATE TRIGGER a_pledge_has_one_verdict BEFORE UPDATE OF verdict, evidence ON pledges
WHEN OLD.verdict IS NOT NULL AND (NEW.verdict, NEW.evidence) IS NOT (OLD.verdict, OLD.evidence)
BEGIN SELECT RAISE(ABORT, 'the verdict on a pledge is final'); END;
CREATE TRIGGER a_pledge_ends_once BEFORE UPDATE OF state ON pledges
WHEN OLD.state = 'ended' AND NEW.state <> 'ended'
BEGIN SELECT RAISE(ABORT, 'a pledge ends once'); END;

-- What stands for a task of the account rail.
ALTER TABLE rail_tasks ADD COLUMN pledge BLOB REFERENCES pledges (id);
CREATE INDEX rail_tasks_by_pledge ON rail_tasks (pledge);
-- What is in use at a time is covered: fog_market::pledge.
CREATE TRIGGER a_pledge_covers_its_tasks AFTER UPDATE OF pledge ON rail_tasks
WHEN NEW.pledge IS NOT NULL AND (
    SELECT sum(t.reserve) FROM rail_tasks r JOIN tasks t ON t.id = r.task
    JOIN statuses s ON s.name = t.status WHERE r.pledge = NEW.pledge AND s.terminal = 0
) > (SELECT reserve FROM pledges WHERE id = NEW.pledge)
BEGIN SELECT RAISE(ABORT, 'the pledge does not cover its tasks'); END;
-- Nobody loses a pledge but for a result that was rejected, and nobody keeps one while its tasks run.
CREATE TRIGGER no_pledge_is_lost_without_evidence BEFORE UPDATE OF verdict ON pledges
WHEN NEW.verdict = 'rejected' AND OLD.verdict IS NULL AND NOT EXISTS (
    SELECT 1 FROM rail_tasks r JOIN verdicts v ON v.task = r.task
    WHERE r.pledge = NEW.id AND v.verdict = 'rejected' AND v.evidence_hash = NEW.evidence)
BEGIN SELECT RAISE(ABORT, 'a pledge is lost for a rejected result only'); END;
CREATE TRIGGER no_pledge_is_kept_while_its_tasks_run BEFORE UPDATE OF verdict ON pledges
WHEN NEW.verdict = 'accepted' AND OLD.verdict IS NULL AND EXISTS (
    SELECT 1 FROM rail_tasks r JOIN tasks t ON t.id = r.task
    JOIN statuses s ON s.name = t.status WHERE r.pledge = NEW.id AND s.terminal = 0)
BEGIN SELECT RAISE(ABORT, 'a task of the pledge runs'); END;

-- Intents of pledges, each once but the last: `pledge_open`, `pledge_reserve`, `pledge_promise`,
-- `pledge_judge`, `pledge_end`, `pledge_expire`. They are named after the pledge's own task.
CREATE TABLE outbox_with_pledges (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    task     BLOB NOT NULL,
    kind     TEXT NOT NULL
             CHECK (kind IN ('assign', 'commit', 'verdict', 'finalize', 'expire', 'prove', 'redeem',
                             'top_up', 'undelivered', 'penalise', 'ruling', 'pledge_open',
                             'pledge_reserve', 'pledge_promise', 'pledge_judge', 'pledge_end',
                             'pledge_expire')),
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
    CHECK (kind IN ('assign', 'expire', 'redeem', 'top_up', 'pledge_expire') OR round = 0),
    CHECK (state NOT IN ('signed', 'sent', 'final') OR message IS NOT NULL)
) STRICT;
INSERT INTO outbox_with_pledges (id, task, kind, round, intent, evidence, state, message, body_hash,
                                 attempts, not_before, reason)
SELECT id, task, kind, round, intent, evidence, state, message, body_hash, attempts, not_before,
       reason FROM outbox;
DROP TABLE outbox;
ALTER TABLE outbox_with_pledges RENAME TO outbox;
CREATE INDEX outbox_by_state ON outbox (state, not_before, id);
CREATE INDEX outbox_by_message ON outbox (message);
CREATE TRIGGER outbox_keeps_its_intent BEFORE UPDATE OF task, kind, round, intent, evidence ON outbox
BEGIN SELECT RAISE(ABORT, 'an intent does not change'); END;
CREATE TRIGGER an_intent_is_of_a_task BEFORE INSERT ON outbox
WHEN NEW.kind NOT LIKE 'pledge_%' AND NOT EXISTS (SELECT 1 FROM tasks WHERE id = NEW.task)
BEGIN SELECT RAISE(ABORT, 'an intent of no task'); END;
CREATE TRIGGER an_intent_is_of_a_pledge BEFORE INSERT ON outbox
WHEN NEW.kind LIKE 'pledge_%' AND NOT EXISTS (SELECT 1 FROM pledges WHERE id = NEW.task)
BEGIN SELECT RAISE(ABORT, 'an intent of no pledge'); END;
CREATE TRIGGER a_pledge_is_judged_before_its_message BEFORE INSERT ON outbox
WHEN NEW.kind = 'pledge_judge'
 AND NOT EXISTS (SELECT 1 FROM pledges WHERE id = NEW.task AND verdict IS NOT NULL)
BEGIN SELECT RAISE(ABORT, 'no message of a verdict without the verdict'); END;
-- As before.
CREATE TRIGGER a_proof_before_its_message BEFORE INSERT ON outbox
WHEN NEW.kind = 'prove' AND NOT EXISTS (SELECT 1 FROM proofs WHERE task = NEW.task)
BEGIN SELECT RAISE(ABORT, 'no message of a proof without the proof'); END;
CREATE TRIGGER a_ruling_before_its_message BEFORE INSERT ON outbox
WHEN NEW.kind = 'ruling' AND NOT EXISTS (SELECT 1 FROM rulings WHERE task = NEW.task)
BEGIN SELECT RAISE(ABORT, 'no message of a ruling without the ruling'); END;
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
