-- The node's database. One writer; readers see whole transactions.
--
-- `events` is the truth: everything else about a task is a projection of it, written in the same
-- transaction. Constraints repeat the state machine of fog-market, so that a bug in the node
-- cannot store what the market could not decide.
-- Conventions: hashes and keys are 32-byte blobs, addresses raw text, amounts nanogram, times
-- Unix seconds of the chain (columns named `*_wall` are the node's own clock).

-- Which node this database belongs to. A start with another identity is refused.
CREATE TABLE identity (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    node     BLOB NOT NULL CHECK (length(node) = 32),
    network  INTEGER NOT NULL,
    market   TEXT NOT NULL,
    operator TEXT NOT NULL
) STRICT;

-- The append-only log: borsh of what was applied to the market, and at which chain time.
CREATE TABLE events (
    seq  INTEGER PRIMARY KEY,
    at   INTEGER NOT NULL CHECK (at >= 0),
    kind TEXT NOT NULL,
    body BLOB NOT NULL CHECK (length(body) > 0)
) STRICT;

CREATE TRIGGER events_are_append_only BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE TRIGGER events_are_kept BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;

-- The audit seed of each epoch is secret while the epoch runs; its hash is public before.
CREATE TABLE epochs (
    epoch      INTEGER PRIMARY KEY CHECK (epoch >= 0),
    seed_hash  BLOB NOT NULL UNIQUE CHECK (length(seed_hash) = 32),
    started_at INTEGER NOT NULL CHECK (started_at >= 0)
) STRICT;
CREATE TRIGGER epochs_keep_their_seed BEFORE UPDATE ON epochs
BEGIN SELECT RAISE(ABORT, 'an epoch keeps its seed'); END;

-- Every status a task can have, and whether it ends the task.
CREATE TABLE statuses (
    name     TEXT PRIMARY KEY,
    terminal INTEGER NOT NULL CHECK (terminal IN (0, 1))
) STRICT, WITHOUT ROWID;
INSERT INTO statuses (name, terminal) VALUES
    ('awaiting_funds', 0), ('open', 0), ('assigning', 0), ('running', 0), ('committed', 0),
    ('verifying', 0), ('accepted', 0), ('rejected', 0),
    ('paid', 1), ('slashed', 1), ('refunded', 1), ('dropped', 1);

-- The edges a task's status may take: fog_market::transition::edges(), compared by a test. The
-- chain may end a task in any state; the only ways back are from `assigning` to `open`, when a
-- stake was not reserved, and from `dropped`, when the money came late.
CREATE TABLE transitions (
    from_status TEXT NOT NULL REFERENCES statuses (name),
    to_status   TEXT NOT NULL REFERENCES statuses (name),
    PRIMARY KEY (from_status, to_status)
) STRICT, WITHOUT ROWID;
INSERT INTO transitions (from_status, to_status) VALUES
    ('awaiting_funds', 'running'), ('dropped', 'running'),
    ('awaiting_funds', 'open'), ('dropped', 'open'), ('open', 'assigning'),
    ('awaiting_funds', 'dropped'), ('open', 'running'), ('assigning', 'running'),
    ('assigning', 'open'), ('running', 'committed'), ('committed', 'verifying'),
    ('verifying', 'accepted'), ('verifying', 'rejected'), ('awaiting_funds', 'paid'),
    ('awaiting_funds', 'slashed'), ('awaiting_funds', 'refunded'), ('open', 'paid'),
    ('open', 'slashed'), ('open', 'refunded'), ('assigning', 'paid'),
    ('assigning', 'slashed'), ('assigning', 'refunded'), ('running', 'paid'),
    ('running', 'slashed'), ('running', 'refunded'), ('committed', 'paid'),
    ('committed', 'slashed'), ('committed', 'refunded'), ('verifying', 'paid'),
    ('verifying', 'slashed'), ('verifying', 'refunded'), ('accepted', 'paid'),
    ('accepted', 'slashed'), ('accepted', 'refunded'), ('rejected', 'paid'),
    ('rejected', 'slashed'), ('rejected', 'refunded'), ('dropped', 'paid'),
    ('dropped', 'slashed'), ('dropped', 'refunded');

-- A task as everybody sees it: the projection of its events.
CREATE TABLE tasks (
    row           INTEGER PRIMARY KEY AUTOINCREMENT,
    id            BLOB NOT NULL UNIQUE CHECK (length(id) = 32),
    status        TEXT NOT NULL REFERENCES statuses (name),
    requestor_key BLOB NOT NULL CHECK (length(requestor_key) = 32),
    escrow        TEXT NOT NULL UNIQUE,
    listing       BLOB NOT NULL,
    worker        TEXT,
    price         INTEGER CHECK (price > 0),
    reserve       INTEGER CHECK (reserve >= 0),
    commitment    BLOB CHECK (length(commitment) = 32),
    deadline      INTEGER,
    slashed       INTEGER CHECK (slashed >= 0),
    -- 0 once result and submission were removed, long after the end.
    files         INTEGER NOT NULL DEFAULT 1 CHECK (files IN (0, 1)),
    posted_at     INTEGER NOT NULL,
    changed_at    INTEGER NOT NULL,
    -- Whoever works has been assigned, at a price and with a reserve.
    CHECK (status NOT IN ('assigning', 'running', 'committed', 'verifying', 'accepted',
                          'rejected')
           OR (worker IS NOT NULL AND price IS NOT NULL AND reserve IS NOT NULL)),
    -- Nothing is verified, paid or slashed for a wrong result without a commitment.
    CHECK (status NOT IN ('committed', 'verifying', 'accepted', 'rejected')
           OR commitment IS NOT NULL)
) STRICT;
CREATE INDEX tasks_by_status ON tasks (status, row);
CREATE INDEX tasks_by_requestor ON tasks (requestor_key, status);
CREATE INDEX tasks_by_worker ON tasks (worker, status);

CREATE TRIGGER tasks_follow_the_state_machine BEFORE UPDATE OF status ON tasks
WHEN NEW.status <> OLD.status AND NOT EXISTS (
    SELECT 1 FROM transitions WHERE from_status = OLD.status AND to_status = NEW.status)
BEGIN SELECT RAISE(ABORT, 'no such transition of a task'); END;
CREATE TRIGGER tasks_keep_their_listing BEFORE UPDATE OF id, listing, escrow ON tasks
WHEN NEW.id <> OLD.id OR NEW.listing <> OLD.listing OR NEW.escrow <> OLD.escrow
BEGIN SELECT RAISE(ABORT, 'a task keeps its listing and escrow'); END;

-- What happened to a task, oldest first.
CREATE TABLE history (
    seq    INTEGER PRIMARY KEY AUTOINCREMENT,
    task   BLOB NOT NULL REFERENCES tasks (id),
    status TEXT NOT NULL REFERENCES statuses (name),
    at     INTEGER NOT NULL,
    note   TEXT NOT NULL
) STRICT;
CREATE INDEX history_by_task ON history (task, seq);

-- Who did not get a task, and why.
CREATE TABLE refusals (
    seq    INTEGER PRIMARY KEY AUTOINCREMENT,
    task   BLOB NOT NULL REFERENCES tasks (id),
    worker TEXT NOT NULL,
    code   TEXT NOT NULL,
    reason TEXT NOT NULL,
    UNIQUE (task, worker, code)
) STRICT;

-- Transactions that belong to a task.
CREATE TABLE transactions (
    task    BLOB NOT NULL REFERENCES tasks (id),
    kind    TEXT NOT NULL,
    account TEXT NOT NULL,
    lt      INTEGER NOT NULL,
    hash    BLOB NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (task, account, lt)
) STRICT, WITHOUT ROWID;

-- The commitment a task's worker signed. A second one is refused by the key.
CREATE TABLE commitments (
    task       BLOB PRIMARY KEY REFERENCES tasks (id),
    worker     TEXT NOT NULL,
    commitment BLOB NOT NULL CHECK (length(commitment) = 32),
    signed     BLOB NOT NULL,
    -- Its seed decides the draw: published as a hash before this commitment came.
    epoch      INTEGER NOT NULL REFERENCES epochs (epoch)
) STRICT, WITHOUT ROWID;
CREATE INDEX commitments_by_epoch ON commitments (epoch);

-- The sealed result of a task: the file `submissions/<task>` has `bytes` bytes with this hash.
CREATE TABLE submissions (
    task      BLOB PRIMARY KEY REFERENCES commitments (task),
    reveal    BLOB NOT NULL CHECK (length(reveal) = 32),
    bytes     INTEGER NOT NULL CHECK (bytes > 0),
    at        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The draw nonce a requestor opened.
CREATE TABLE nonces (
    task  BLOB PRIMARY KEY REFERENCES tasks (id),
    nonce BLOB NOT NULL CHECK (length(nonce) = 32)
) STRICT, WITHOUT ROWID;

-- Verdicts with the evidence they are a function of.
CREATE TABLE verdicts (
    task          BLOB PRIMARY KEY REFERENCES submissions (task),
    verdict       TEXT NOT NULL CHECK (verdict IN ('accepted', 'rejected')),
    evidence_hash BLOB NOT NULL UNIQUE CHECK (length(evidence_hash) = 32),
    evidence      BLOB NOT NULL CHECK (length(evidence) > 0),
    audited       INTEGER NOT NULL CHECK (audited IN (0, 1)),
    reason        TEXT NOT NULL,
    result_hash   BLOB NOT NULL CHECK (length(result_hash) = 32),
    result_bytes  INTEGER NOT NULL CHECK (result_bytes >= 0),
    exit          BLOB NOT NULL,
    UNIQUE (task, evidence_hash)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER verdicts_are_final BEFORE UPDATE ON verdicts
BEGIN SELECT RAISE(ABORT, 'a verdict is final'); END;
CREATE TRIGGER verdicts_are_kept BEFORE DELETE ON verdicts
BEGIN SELECT RAISE(ABORT, 'a verdict is final'); END;
CREATE TRIGGER accepted_needs_a_verdict BEFORE UPDATE OF status ON tasks
WHEN NEW.status IN ('accepted', 'rejected') AND NOT EXISTS (
    SELECT 1 FROM verdicts WHERE task = NEW.id AND verdict = NEW.status)
BEGIN SELECT RAISE(ABORT, 'no status of a verdict without the verdict'); END;

-- Signed external messages of the operator's wallet. The bytes are stored before they are sent;
-- only these bytes are ever sent again. One at a time is on its way.
CREATE TABLE messages (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    seqno       INTEGER NOT NULL CHECK (seqno >= 0),
    boc         BLOB NOT NULL,
    body_hash   BLOB NOT NULL UNIQUE CHECK (length(body_hash) = 32),
    valid_until INTEGER NOT NULL,
    -- signed: stored, maybe sent; sent: a gateway took it; final: its transaction was seen;
    -- expired: chain time passed valid_until and the wallet's history shows it never ran.
    state       TEXT NOT NULL CHECK (state IN ('signed', 'sent', 'final', 'expired')),
    lt          INTEGER,
    hash        BLOB CHECK (length(hash) = 32),
    CHECK ((state = 'final') = (lt IS NOT NULL AND hash IS NOT NULL))
) STRICT;
CREATE UNIQUE INDEX one_message_in_flight ON messages (1) WHERE state IN ('signed', 'sent');
CREATE UNIQUE INDEX one_final_message_per_seqno ON messages (seqno) WHERE state = 'final';
CREATE TRIGGER messages_keep_their_bytes BEFORE UPDATE OF seqno, boc, body_hash, valid_until ON messages
BEGIN SELECT RAISE(ABORT, 'a signed message keeps its bytes'); END;
CREATE TRIGGER messages_end_once BEFORE UPDATE OF state ON messages
WHEN OLD.state IN ('final', 'expired') AND NEW.state <> OLD.state
BEGIN SELECT RAISE(ABORT, 'this message has ended'); END;

-- What is to be done on chain. Written in the transaction of the decision; unique by task and
-- kind (`round` counts the assignments of a task and its expiries; a payment has one round).
CREATE TABLE outbox (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    task     BLOB NOT NULL REFERENCES tasks (id),
    kind     TEXT NOT NULL CHECK (kind IN ('assign', 'commit', 'verdict', 'finalize', 'expire')),
    round    INTEGER NOT NULL CHECK (round >= 0),
    intent   BLOB NOT NULL,
    evidence BLOB,
    -- pending: to be signed; signed, sent: in a message of that state; final: the wallet sent it;
    -- done: its effect was seen; refused: the contract threw it back; void: not needed any more.
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
    CHECK (state NOT IN ('signed', 'sent', 'final') OR message IS NOT NULL)
) STRICT;
CREATE INDEX outbox_by_state ON outbox (state, not_before, id);
CREATE INDEX outbox_by_message ON outbox (message);
CREATE TRIGGER outbox_keeps_its_intent BEFORE UPDATE OF task, kind, round, intent, evidence ON outbox
BEGIN SELECT RAISE(ABORT, 'an intent does not change'); END;

-- How far the operator wallet's history was read: the last transaction whose effects are stored.
-- Moved only together with those effects.
CREATE TABLE cursor (
    account TEXT PRIMARY KEY,
    lt      INTEGER NOT NULL CHECK (lt >= 0),
    hash    BLOB NOT NULL CHECK (length(hash) = 32),
    seen_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Uploaded blobs: files `blobs/<hash>`; an upload counts against the quota of each owner.
CREATE TABLE blobs (
    hash       BLOB PRIMARY KEY CHECK (length(hash) = 32),
    bytes      INTEGER NOT NULL CHECK (bytes >= 0),
    touched_wall INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE blob_owners (
    hash  BLOB NOT NULL REFERENCES blobs (hash) ON DELETE CASCADE,
    owner BLOB NOT NULL CHECK (length(owner) = 32),
    PRIMARY KEY (owner, hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX blob_owners_by_hash ON blob_owners (hash);
CREATE TABLE blob_uses (
    task BLOB NOT NULL REFERENCES tasks (id),
    hash BLOB NOT NULL REFERENCES blobs (hash),
    PRIMARY KEY (task, hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX blob_uses_by_hash ON blob_uses (hash);

-- Workers as last seen: what the market knows of them.
CREATE TABLE workers (
    worker     TEXT PRIMARY KEY,
    stake      TEXT NOT NULL,
    online     INTEGER NOT NULL CHECK (online IN (0, 1)),
    free_stake INTEGER NOT NULL CHECK (free_stake >= 0),
    reputation_ppm INTEGER NOT NULL CHECK (reputation_ppm BETWEEN 0 AND 1000000),
    assigned   INTEGER NOT NULL CHECK (assigned >= 0),
    accepted   INTEGER NOT NULL CHECK (accepted >= 0),
    rejected   INTEGER NOT NULL CHECK (rejected >= 0),
    late       INTEGER NOT NULL CHECK (late >= 0),
    flagged    INTEGER NOT NULL CHECK (flagged IN (0, 1))
) STRICT, WITHOUT ROWID;

-- The market's state hash after the last event: a replay must come to the same.
CREATE TABLE checkpoint (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    seq        INTEGER NOT NULL,
    state_hash BLOB NOT NULL CHECK (length(state_hash) = 32)
) STRICT;
