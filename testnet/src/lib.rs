//! The embedded chain and its toncenter v2 server.
