-- Epochs that are shut: nothing that names one can begin any more. What is known of it then is told
-- on chain, and its seed once all that names it has ended.
CREATE TABLE shut_epochs (
    epoch INTEGER PRIMARY KEY REFERENCES epochs (epoch),
    at    INTEGER NOT NULL CHECK (at >= 0),
    -- How many tasks name it, and what stands for them: fog_protocol::epoch_tasks.
    tasks INTEGER NOT NULL CHECK (tasks >= 0),
    root  BLOB NOT NULL CHECK (length(root) = 32)
) STRICT;
CREATE TRIGGER shut_epochs_stay_shut BEFORE DELETE ON shut_epochs
BEGIN SELECT RAISE(ABORT, 'an epoch stays shut'); END;
CREATE TRIGGER shut_epochs_keep_their_tasks BEFORE UPDATE ON shut_epochs
BEGIN SELECT RAISE(ABORT, 'an epoch stays shut'); END;
CREATE TRIGGER shut_epochs_take_no_tasks BEFORE INSERT ON task_epochs
WHEN EXISTS (SELECT 1 FROM shut_epochs WHERE epoch = NEW.epoch)
BEGIN SELECT RAISE(ABORT, 'the epoch is shut'); END;
-- Their seeds may have been told.
INSERT INTO shut_epochs (epoch, at, tasks, root)
SELECT epoch, started_at, (SELECT count(*) FROM task_epochs t WHERE t.epoch = e.epoch), zeroblob(32)
FROM epochs e WHERE epoch < (SELECT max(epoch) FROM epochs);
