//! An answer that comes before the request's body was read ("too large", "who are you?") is held
//! until the rest has been read and thrown away. Closing a socket with unread bytes resets it, and
//! the client, still sending, would see a broken pipe instead of the answer.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes, HttpBody},
    http::header,
    response::Response,
};
use hyper::{
    Request,
    body::{Frame, Incoming, SizeHint},
};
use tokio::sync::oneshot;
use tower::ServiceExt as _;

/// Most bytes thrown away for one answer; who sends more may miss it.
const REST_BYTES: u64 = 64 << 20;
/// Longest time for that.
const REST_TIME: Duration = Duration::from_secs(10);

/// A request's body on loan: what was not read of it comes back when it is dropped.
struct Lent {
    body: Option<Incoming>,
    back: Option<oneshot::Sender<Incoming>>,
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let (Some(body), Some(back)) = (self.body.take(), self.back.take()) {
            // Nobody waits any more: the connection has ended.
            drop(back.send(body));
        }
    }
}

/// Answers a request, and reads what it still sends before the answer goes out.
pub(crate) async fn answer(
    router: Router,
    request: Request<Incoming>,
) -> Result<Response, Infallible> {
    // Who asks first (`Expect: 100-continue`) sends nothing once it is refused.
    let asks_first = request.headers().contains_key(header::EXPECT);
    let (back, mut rest) = oneshot::channel();
    let response =
        router.oneshot(request.map(|body| Body::new(Lent { body: Some(body), back: Some(back) })));
    let response = response.await?;
    if !asks_first && let Ok(body) = rest.try_recv() {
        // Late or malformed, the rest is of no interest: the answer stands.
        drop(tokio::time::timeout(REST_TIME, throw_away(body)).await);
    }
    Ok(response)
}

async fn throw_away(mut body: Incoming) {
    let mut left = REST_BYTES;
    while let Some(Ok(frame)) =
        std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await
    {
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        left = left.saturating_sub(u64::try_from(bytes).unwrap_or(u64::MAX));
        if left == 0 {
            return;
        }
    }
}
