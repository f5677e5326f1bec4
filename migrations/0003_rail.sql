-- The account rail: channels (accounts of requestors here, earnings of workers here), the entries
-- behind them, the newest voucher of each, and what an entry follows from.

-- A channel with its terms, which its address is the hash of, and what the chain last said.
CREATE TABLE channels (
    address    TEXT PRIMARY KEY,
    purpose    TEXT NOT NULL CHECK (purpose IN ('account', 'earnings')),
    payer      TEXT NOT NULL,
    payee      TEXT NOT NULL,
    payer_key  BLOB NOT NULL CHECK (length(payer_key) = 32),
    payee_key  BLOB NOT NULL CHECK (length(payee_key) = 32),
    cap        INTEGER NOT NULL CHECK (cap > 0),
    delay      INTEGER NOT NULL CHECK (delay > 0),
    series     INTEGER NOT NULL CHECK (series >= 0),
    -- The key that signs for the payee now.
    signing_key BLOB NOT NULL CHECK (length(signing_key) = 32),
    status     TEXT NOT NULL CHECK (status IN ('open', 'closing', 'closed')),
    close_at   INTEGER NOT NULL CHECK (close_at >= 0),
    balance    INTEGER NOT NULL CHECK (balance >= 0),
    paid       INTEGER NOT NULL CHECK (paid >= 0),
    -- Sum of the entries, and what is reserved for tasks that have not ended.
    owed       INTEGER NOT NULL CHECK (owed >= 0),
    promised   INTEGER NOT NULL CHECK (promised >= 0),
    CHECK ((status = 'closing') <= (close_at > 0)),
    -- Nobody is owed more than can be taken: fog_market::rail.
    CHECK (status <> 'open' OR owed + promised - paid <= min(cap, balance))
) STRICT, WITHOUT ROWID;
CREATE INDEX channels_by_payee ON channels (payee, purpose);
CREATE TRIGGER channels_keep_their_terms
BEFORE UPDATE OF purpose, payer, payee, payer_key, payee_key, cap, delay, series ON channels
WHEN (NEW.purpose, NEW.payer, NEW.payee, NEW.payer_key, NEW.payee_key, NEW.cap, NEW.delay, NEW.series)
  <> (OLD.purpose, OLD.payer, OLD.payee, OLD.payer_key, OLD.payee_key, OLD.cap, OLD.delay, OLD.series)
BEGIN SELECT RAISE(ABORT, 'a channel keeps its terms'); END;
CREATE TRIGGER what_was_paid_stays_paid BEFORE UPDATE OF paid ON channels
WHEN NEW.paid < OLD.paid
BEGIN SELECT RAISE(ABORT, 'what was redeemed stays redeemed'); END;

-- Tasks of the account rail, with the order as its requestor signed it, and the earnings in which the
-- worker's share was promised.
CREATE TABLE rail_tasks (
    task     BLOB PRIMARY KEY REFERENCES tasks (id),
    account  TEXT NOT NULL REFERENCES channels (address),
    signed   BLOB NOT NULL CHECK (length(signed) > 0),
    earnings TEXT REFERENCES channels (address),
    share    INTEGER CHECK (share >= 0),
    CHECK ((earnings IS NULL) = (share IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX rail_tasks_by_account ON rail_tasks (account);

-- Their verdicts as the verifiers signed them: no contract holds them.
CREATE TABLE rail_verdicts (
    task        BLOB PRIMARY KEY REFERENCES verdicts (task),
    stake       TEXT NOT NULL,
    price       INTEGER NOT NULL CHECK (price > 0),
    commitment  BLOB NOT NULL CHECK (length(commitment) = 32),
    valid_until INTEGER NOT NULL,
    signatures  BLOB NOT NULL CHECK (length(signatures) > 4)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER signed_verdicts_are_final BEFORE UPDATE ON rail_verdicts
BEGIN SELECT RAISE(ABORT, 'a signed verdict is final'); END;

-- What is owed, in order. Only what was accepted, by a signed verdict, with its evidence.
CREATE TABLE entries (
    channel  TEXT NOT NULL REFERENCES channels (address),
    number   INTEGER NOT NULL CHECK (number >= 0),
    task     BLOB NOT NULL REFERENCES rail_verdicts (task),
    worker   TEXT NOT NULL,
    amount   INTEGER NOT NULL CHECK (amount >= 0),
    evidence BLOB NOT NULL,
    PRIMARY KEY (channel, number),
    UNIQUE (channel, task),
    FOREIGN KEY (task, evidence) REFERENCES verdicts (task, evidence_hash)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER entries_need_acceptance BEFORE INSERT ON entries
WHEN NOT EXISTS (SELECT 1 FROM verdicts WHERE task = NEW.task AND verdict = 'accepted')
BEGIN SELECT RAISE(ABORT, 'nothing is owed for what was not accepted'); END;
CREATE TRIGGER entries_have_no_gaps BEFORE INSERT ON entries
WHEN NEW.number <> coalesce((SELECT max(number) + 1 FROM entries WHERE channel = NEW.channel), 0)
BEGIN SELECT RAISE(ABORT, 'entries follow each other'); END;
CREATE TRIGGER entries_are_final BEFORE UPDATE ON entries
BEGIN SELECT RAISE(ABORT, 'an entry is final'); END;
CREATE TRIGGER entries_are_kept BEFORE DELETE ON entries
BEGIN SELECT RAISE(ABORT, 'an entry is final'); END;

-- The newest voucher of a channel.
CREATE TABLE vouchers (
    channel TEXT PRIMARY KEY REFERENCES channels (address),
    count   INTEGER NOT NULL CHECK (count > 0),
    total   INTEGER NOT NULL CHECK (total > 0),
    voucher BLOB NOT NULL CHECK (length(voucher) > 0)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER vouchers_only_grow BEFORE UPDATE ON vouchers
WHEN NEW.count < OLD.count OR NEW.total < OLD.total
BEGIN SELECT RAISE(ABORT, 'a voucher is replaced by a newer one only'); END;

-- Two more kinds of intent. `redeem` is named after the task of its voucher's last entry, `top_up`
-- after the task that earnings are opened for.
CREATE TABLE outbox_with_rail (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    task     BLOB NOT NULL REFERENCES tasks (id),
    kind     TEXT NOT NULL CHECK (kind IN ('assign', 'commit', 'verdict', 'finalize', 'expire',
                                           'prove', 'redeem', 'top_up')),
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
    CHECK (kind <> 'prove' OR round = 0),
    CHECK (state NOT IN ('signed', 'sent', 'final') OR message IS NOT NULL)
) STRICT;
INSERT INTO outbox_with_rail (id, task, kind, round, intent, evidence, state, message, body_hash,
                              attempts, not_before, reason)
SELECT id, task, kind, round, intent, evidence, state, message, body_hash, attempts, not_before,
       reason FROM outbox;
DROP TABLE outbox;
ALTER TABLE outbox_with_rail RENAME TO outbox;
CREATE INDEX outbox_by_state ON outbox (state, not_before, id);
CREATE INDEX outbox_by_message ON outbox (message);
CREATE TRIGGER outbox_keeps_its_intent BEFORE UPDATE OF task, kind, round, intent, evidence ON outbox
BEGIN SELECT RAISE(ABORT, 'an intent does not change'); END;
CREATE TRIGGER a_proof_before_its_message BEFORE INSERT ON outbox
WHEN NEW.kind = 'prove' AND NOT EXISTS (SELECT 1 FROM proofs WHERE task = NEW.task)
BEGIN SELECT RAISE(ABORT, 'no message of a proof without the proof'); END;
-- What is on chain for a task of the account rail: nothing of its own.
CREATE TRIGGER no_contract_no_message BEFORE INSERT ON outbox
WHEN NEW.kind NOT IN ('redeem', 'top_up') AND EXISTS (SELECT 1 FROM rail_tasks WHERE task = NEW.task)
BEGIN SELECT RAISE(ABORT, 'a task of the account rail has no contract'); END;
