-- Epochs as the node signed them, and which of them each listing names: its seed decides the draw.

-- Borsh of the signed epoch; empty for those before there were signatures.
ALTER TABLE epochs ADD COLUMN signed BLOB NOT NULL DEFAULT x'';

-- A seed stays secret as long as a task that names its epoch has not ended.
CREATE TABLE task_epochs (
    task  BLOB PRIMARY KEY REFERENCES tasks (id),
    epoch INTEGER NOT NULL REFERENCES epochs (epoch)
) STRICT, WITHOUT ROWID;
CREATE INDEX task_epochs_by_epoch ON task_epochs (epoch);
CREATE TRIGGER task_epochs_are_kept BEFORE UPDATE ON task_epochs
BEGIN SELECT RAISE(ABORT, 'a task keeps its epoch'); END;
INSERT INTO task_epochs (task, epoch) SELECT task, epoch FROM commitments;
