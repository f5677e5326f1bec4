//! Accepts connections: bounded in all and per address, with a timer on the request's head, so
//! that stalled or idle sockets cost little and cannot crowd out others.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{Router, extract::ConnectInfo};
use fog_protocol::api::SERVER_IDLE;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::linger;

/// How many connections there may be.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// In all.
    pub total: usize,
    /// From one address.
    pub per_address: usize,
}

/// Bytes of a request's head.
const HEAD_BYTES: usize = 16 << 10;
/// Pause after a failed accept (no descriptors left), so as not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

#[derive(Debug, Default)]
struct Counts {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// Counts connections; a [`Seat`] is one of them.
#[derive(Debug, Clone)]
struct Seats {
    counts: Arc<Mutex<Counts>>,
    bounds: Bounds,
}

impl Seats {
    fn take(&self, address: IpAddr) -> Option<Seat> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.total >= self.bounds.total {
            return None;
        }
        let here = counts.by_address.entry(address).or_default();
        if *here >= self.bounds.per_address {
            return None;
        }
        *here += 1;
        counts.total += 1;
        drop(counts);
        Some(Seat { counts: Arc::clone(&self.counts), address })
    }
}

/// One counted connection; given back when the last holder drops it. Requests carry it as an
/// extension, so that a connection that became a WebSocket still counts.
#[derive(Debug)]
pub struct Seat {
    counts: Arc<Mutex<Counts>>,
    address: IpAddr,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.total = counts.total.saturating_sub(1);
        if let Some(here) = counts.by_address.get_mut(&self.address) {
            *here = here.saturating_sub(1);
            if *here == 0 {
                counts.by_address.remove(&self.address);
            }
        }
    }
}

/// Serves until `intake` is cancelled; then no connection is accepted, running requests end, and
/// this returns.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    bounds: Bounds,
    intake: CancellationToken,
) {
    let seats = Seats { counts: Arc::default(), bounds };
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = intake.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Over the bound: closed at once, which a client sees and may retry.
        let Some(seat) = seats.take(address.ip()) else { continue };
        let (router, intake) = (router.clone(), intake.clone());
        connections.spawn(async move {
            connection(stream, address, router, intake, Arc::new(seat)).await;
        });
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn connection(
    stream: TcpStream,
    address: SocketAddr,
    router: Router,
    intake: CancellationToken,
    seat: Arc<Seat>,
) {
    // Small frames must not wait for more to come.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(address));
        request.extensions_mut().insert(Arc::clone(&seat));
        linger::answer(router.clone(), request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(SERVER_IDLE)
        .max_buf_size(HEAD_BYTES)
        .half_close(false)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = intake.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%address, %error, "connection ended");
    }
}
