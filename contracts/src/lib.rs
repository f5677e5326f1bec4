//! Compiled Tolk contracts with their hashes, and typed bindings.
