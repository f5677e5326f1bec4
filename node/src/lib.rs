//! The node: HTTP API, worker gateway, coordinator, settlement, store.
