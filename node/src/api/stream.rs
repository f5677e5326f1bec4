//! Server-sent events of one task: its view now, then after every change, until it ends.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::State,
    response::sse::{Event, KeepAlive, Sse},
};
use fog_protocol::{TaskId, api::TaskView};
use futures_util::{Stream, stream};
use tokio::sync::{OwnedSemaphorePermit, broadcast};
use tokio_util::sync::CancellationToken;

use super::{App, extract::TaskPath};
use crate::{
    denied::{Denied, Why},
    shared::Shared,
};

/// Seconds between comments that keep the connection open.
const KEEP_ALIVE_SECONDS: u64 = 15;

struct Watch {
    shared: Arc<Shared>,
    task: TaskId,
    changes: broadcast::Receiver<TaskId>,
    intake: CancellationToken,
    first: Option<Box<TaskView>>,
    ended: bool,
    _permit: OwnedSemaphorePermit,
}

/// `GET /v1/tasks/{id}/events`.
pub(super) async fn events(
    State(app): State<App>,
    TaskPath { 0: task }: TaskPath,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Denied> {
    let permit = Arc::clone(&app.shared.streams)
        .try_acquire_owned()
        .map_err(|_| Denied::new(Why::TooMany, "busy", "too many event streams at once"))?;
    // Subscribed before the first read: no change in between is missed.
    let changes = app.shared.changes.subscribe();
    let view = app.shared.store.task_view(&task).await?.ok_or_else(Denied::no_task)?;
    let watch = Watch {
        shared: app.shared,
        task,
        changes,
        intake: app.intake,
        first: Some(Box::new(view)),
        ended: false,
        _permit: permit,
    };
    let events = stream::unfold(watch, |mut watch| async move {
        let view = watch.next().await?;
        watch.ended = view.status.is_terminal();
        let event = Event::default().event("task").json_data(&view).unwrap_or_default();
        Some((Ok(event), watch))
    });
    let keep_alive = KeepAlive::new().interval(Duration::from_secs(KEEP_ALIVE_SECONDS));
    Ok(Sse::new(events).keep_alive(keep_alive))
}

impl Watch {
    async fn next(&mut self) -> Option<TaskView> {
        if let Some(first) = self.first.take() {
            return Some(*first);
        }
        if self.ended {
            return None;
        }
        loop {
            let change = tokio::select! {
                () = self.intake.cancelled() => return None,
                change = self.changes.recv() => change,
            };
            match change {
                Ok(task) if task != self.task => {}
                // Behind by more than the channel holds: the view now is what counts.
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {
                    return self.shared.store.task_view(&self.task).await.ok().flatten();
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}
