//! The compute agent: bids, sandbox, journal.
