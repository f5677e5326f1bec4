//! Who is refused learns why, even while still sending.

use axum::{Router, http::StatusCode, routing::put};
use fog_jury::listen::{Bounds, serve};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

/// Sends a whole request to a route that reads no body; what comes back.
async fn refused(head: &str, body: &[u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let router = Router::new().route("/", put(async || (StatusCode::UNAUTHORIZED, "no")));
    let stop = CancellationToken::new();
    let bounds = Bounds { total: 4, per_address: 4 };
    let server = tokio::spawn(serve(listener, router, bounds, stop.clone()));
    let head = format!("PUT / HTTP/1.1\r\nhost: fog\r\nconnection: close\r\n{head}\r\n\r\n");
    client.write_all(head.as_bytes()).await.unwrap();
    client.write_all(body).await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    stop.cancel();
    server.await.unwrap();
    answer
}

#[tokio::test]
async fn a_client_that_is_still_sending_sees_why_it_was_refused() {
    // Far more than the buffers of both sockets hold.
    let body = vec![b' '; 24 << 20];
    let answer = refused(&format!("content-length: {}", body.len()), &body).await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
}

#[tokio::test]
async fn a_client_that_asks_first_is_answered_at_once() {
    let answer = refused("content-length: 999\r\nexpect: 100-continue", b"").await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
}

#[tokio::test]
async fn a_request_without_a_body_is_answered_at_once() {
    let answer = refused("content-length: 0", b"").await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
}
