//! `Account` and `Earnings`: vouchers, exits, and what can go wrong between them.

mod attacks;
mod epochs;
mod exposure;
pub(crate) mod kit;
pub(crate) mod matrix;
pub(crate) mod orders;
mod table;
mod values;
