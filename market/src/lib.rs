//! Decides: listings, bids, matching, the task state machine, stake rule, reputation.
