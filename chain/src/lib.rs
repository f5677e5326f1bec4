//! The one port to the chain: a client of the toncenter v2 HTTP dialect.
