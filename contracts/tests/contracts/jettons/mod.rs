//! Channels in jettons: real ones, deployed from other people's code, and what a cheat would try.

mod attacks;
mod bounces;
mod gates;
pub(crate) mod kit;
pub(crate) mod matrix;
mod orders;
pub(crate) mod real;
mod whole;
