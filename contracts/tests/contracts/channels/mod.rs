//! `Account` and `Earnings`: vouchers, exits, and what can go wrong between them.

mod attacks;
mod epochs;
mod exposure;
pub(crate) mod kit;
mod matrix;
mod orders;
mod table;
mod values;
