//! Addresses for what must come back where it was.
//!
//! Not from the range the system takes ports of outgoing connections from (from 32768 on, by
//! default): while a process is down, a connection of another could take its port, and who tries to
//! reach it could even be connected to itself.

use std::{
    io::{Error, ErrorKind, Result},
    net::{Ipv4Addr, SocketAddr, TcpListener},
};

/// First port taken, and how many there are.
const FIRST: u16 = 10_000;
const COUNT: u16 = 20_000;
const ATTEMPTS: usize = 100;

/// An address of this machine whose port, and the next `count - 1`, are free.
///
/// # Errors
/// [`ErrorKind::AddrInUse`] if none is found, or if there is no randomness.
pub fn free_address(count: u16) -> Result<SocketAddr> {
    for _ in 0..ATTEMPTS {
        let mut random = [0; 2];
        getrandom::fill(&mut random).map_err(Error::other)?;
        let port = FIRST + u16::from_le_bytes(random) % COUNT;
        let is_free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if (port..port + count).all(is_free) {
            return Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        }
    }
    Err(Error::new(ErrorKind::AddrInUse, "no free port was found"))
}
