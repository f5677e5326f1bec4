//! The shared vocabulary: ids, money, terms, domain-tagged hashes, signed envelopes, wire messages.
