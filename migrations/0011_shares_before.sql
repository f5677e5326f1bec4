-- Tasks that were paid in a jetton before this node noted what it is due in them: it looks at each once,
-- and claims what is there. Listings say what they are paid in near their end: `02`, the master's
-- workchain (0) and hash, the units (less than 2^120, the lowest byte first); from version 5 on the epoch
-- follows in 40 bytes. Version 3 is that of listings in a jetton; later ones are of any rail.
INSERT INTO shares_due (task)
SELECT t.id FROM (
    SELECT id, status, substr(listing, 1, 2) AS version,
           substr(listing, length(listing) - 49 - iif(substr(listing, 1, 2) = x'0500', 40, 0), 50) AS rail
    FROM tasks
) t
WHERE t.status = 'paid'
  AND t.version IN (x'0300', x'0400', x'0500')
  AND substr(t.rail, 1, 2) = x'0200' AND substr(t.rail, 50, 1) = x'00'
  AND NOT EXISTS (SELECT 1 FROM rail_tasks r WHERE r.task = t.id)
  -- Of these it arrived.
  AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.task = t.id AND o.kind = 'claim_share'
                                           AND o.state = 'done')
ON CONFLICT DO NOTHING;
