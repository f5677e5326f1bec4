//! Keys, mnemonics, keystore, wallet contracts, addresses.
