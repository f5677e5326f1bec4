//! Tasks in jettons: everything that every task does ([`crate::alone`] with its own kind), and what
//! only these do.

mod attacks;
mod bounces;
mod gates;
pub(crate) mod kit;
pub(crate) mod matrix;
mod orders;
mod whole;
