-- Which commitment a nonce was opened for, as the requestor signed it: borsh; empty for nonces that
-- were opened before that was asked for.
ALTER TABLE nonces ADD COLUMN opening BLOB NOT NULL DEFAULT x'';

-- Of two orders of one salt on one account one is paid, so one is taken; empty for those before, and for
-- those that ended unpaid.
ALTER TABLE rail_tasks ADD COLUMN salt BLOB NOT NULL DEFAULT x'';
CREATE UNIQUE INDEX rail_tasks_by_salt ON rail_tasks (account, salt) WHERE salt <> x'';
