//! Where messages go. Executing them is `fog_tvm`'s.

use fog_tvm::Inbound;
use tycho_types::models::{MsgInfo, StdAddr};
use tycho_types::prelude::*;

use super::block::carried_value;

/// Where a message goes and what it carries.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    /// The receiving account.
    pub(crate) destination: StdAddr,
    /// When it was created; 0 for external messages.
    pub(crate) created_lt: u64,
    /// Value plus remaining forwarding fee, nano.
    pub(crate) carried: u128,
    /// The kind of message.
    pub(crate) kind: Inbound,
}

impl Route {
    /// Reads the route of an inbound message; `None` if it is outbound or its address is not a
    /// plain standard one.
    pub(crate) fn of(message: &Cell) -> Option<Self> {
        let info = message.parse::<MsgInfo>().ok()?;
        Self::of_info(&info)
    }

    fn of_info(info: &MsgInfo) -> Option<Self> {
        let (destination, created_lt, kind) = match info {
            MsgInfo::Int(int) => (&int.dst, int.created_lt, Inbound::Internal),
            MsgInfo::ExtIn(ext) => (&ext.dst, 0, Inbound::External),
            MsgInfo::ExtOut(_) => return None,
        };
        let destination = destination.as_std().filter(|addr| addr.anycast.is_none())?.clone();
        Some(Self { destination, created_lt, carried: carried_value(info), kind })
    }
}
