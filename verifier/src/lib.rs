//! Turns a submission into a verdict; the only maker of Verified.
