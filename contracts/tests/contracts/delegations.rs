//! A delegation alone.
