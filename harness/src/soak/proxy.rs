//! The line between two processes: passes bytes on, or fails as told.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_util::task::AbortOnDropHandle;

use crate::network::salt;

/// What an overloaded gateway answers; the connection ends with it.
const LIMITED: &[u8] = b"HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/json\r\n\
    retry-after: 1\r\ncontent-length: 52\r\nconnection: close\r\n\r\n\
    {\"ok\":false,\"error\":\"Ratelimit exceed\",\"code\":429}  ";
const BUFFER: usize = 16 << 10;
/// Longest life of a connection on a fraying line.
const LONGEST_LIFE: Duration = Duration::from_secs(10);

/// How the line behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    /// Everything passes at once.
    Up,
    /// Connections break, and new ones are refused.
    Down,
    /// Everything passes after this time.
    Slow(Duration),
    /// Every request is answered 429.
    Limited,
    /// Every connection breaks soon, wherever it is in what it carries.
    Fraying,
}

/// A TCP proxy in front of one address.
#[derive(Debug)]
pub(crate) struct Wire {
    address: SocketAddr,
    line: watch::Sender<Line>,
    _accepting: AbortOnDropHandle<()>,
}

impl Wire {
    /// Listens, and passes on to `far`. Where connections break, `seed` says.
    pub(crate) async fn start(far: SocketAddr, seed: u64) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (line, seen) = watch::channel(Line::Up);
        let accepting = tokio::spawn(async move {
            for number in 0_u64.. {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let life = life(seed, number);
                tokio::spawn(serve(stream, far, life, seen.clone()));
            }
        });
        Ok(Self { address, line, _accepting: AbortOnDropHandle::new(accepting) })
    }

    /// The address that stands for the far one.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes how the line behaves, for open connections too.
    pub(crate) fn set(&self, line: Line) {
        self.line.send_replace(line);
    }
}

/// How long a connection holds on a fraying line.
fn life(seed: u64, number: u64) -> Duration {
    let drawn = salt(seed, &format!("soak/wire/{number}"));
    let mut first = [0; 8];
    first.copy_from_slice(&drawn.0[..8]);
    LONGEST_LIFE.mul_f64(u64::from_le_bytes(first) as f64 / u64::MAX as f64)
}

async fn serve(
    mut stream: TcpStream,
    far: SocketAddr,
    life: Duration,
    mut line: watch::Receiver<Line>,
) {
    let now = *line.borrow_and_update();
    match now {
        Line::Down => return,
        Line::Limited => return refuse(&mut stream).await,
        Line::Up | Line::Slow(_) | Line::Fraying => {}
    }
    let Ok(mut upstream) = TcpStream::connect(far).await else { return };
    // Small requests and answers: waiting to fill packets would be a fault of the proxy's own.
    let _ = (stream.set_nodelay(true), upstream.set_nodelay(true));
    let frays = now == Line::Fraying;
    let (near_in, near_out) = stream.split();
    let (far_in, far_out) = upstream.split();
    let delays = line.clone();
    let broken = async {
        loop {
            if line.changed().await.is_err() {
                return;
            }
            if matches!(*line.borrow_and_update(), Line::Down | Line::Limited) {
                return;
            }
        }
    };
    tokio::select! {
        () = broken => {}
        () = tokio::time::sleep(life), if frays => {}
        () = pass(near_in, far_out, delays.clone()) => {}
        () = pass(far_in, near_out, delays) => {}
    }
}

async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    line: watch::Receiver<Line>,
) {
    let mut buffer = vec![0; BUFFER];
    loop {
        let Ok(read) = from.read(&mut buffer).await else { return };
        let now = *line.borrow();
        if let Line::Slow(delay) = now {
            tokio::time::sleep(delay).await;
        }
        if read == 0 || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

/// Reads what fits of the request, and answers that there were too many.
async fn refuse(stream: &mut TcpStream) {
    let mut buffer = vec![0; BUFFER];
    let patience = Duration::from_secs(1);
    if tokio::time::timeout(patience, stream.read(&mut buffer)).await.is_ok() {
        let _ = stream.write_all(LIMITED).await;
        let _ = stream.shutdown().await;
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::LIMITED;

    #[test]
    fn the_refusal_says_its_own_length() {
        let text = std::str::from_utf8(LIMITED).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let length = head.split("content-length: ").nth(1).unwrap();
        let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
        assert_eq!(length, body.len());
        serde_json::from_str::<serde_json::Value>(body).unwrap();
    }
}
