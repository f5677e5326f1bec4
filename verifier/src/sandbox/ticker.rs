//! The thread behind the wall limit: it advances the epoch of all engines while guests run.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use wasmtime::{Engine, EngineWeak};

/// Length of an epoch.
pub(super) const EPOCH: Duration = Duration::from_millis(10);

#[derive(Default)]
struct State {
    running: usize,
    stop: bool,
    engines: Vec<EngineWeak>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Owns the thread; it sleeps while nothing runs and ends with this value.
pub(super) struct Ticker {
    shared: Arc<Shared>,
}

impl Ticker {
    pub(super) fn start() -> std::io::Result<Self> {
        let shared =
            Arc::new(Shared { state: Mutex::new(State::default()), changed: Condvar::new() });
        let theirs = Arc::clone(&shared);
        thread::Builder::new().name("sandbox-epoch".into()).spawn(move || tick(&theirs))?;
        Ok(Self { shared })
    }

    pub(super) fn watch(&self, engine: &Engine) {
        self.shared.lock().engines.push(engine.weak());
    }

    /// Time passes until the returned guard is dropped.
    pub(super) fn running(&self) -> Running<'_> {
        self.shared.lock().running += 1;
        self.shared.changed.notify_all();
        Running(self)
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.changed.notify_all();
    }
}

/// A guest is running.
pub(super) struct Running<'a>(&'a Ticker);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.shared.lock().running -= 1;
    }
}

fn tick(shared: &Shared) {
    let mut state = shared.lock();
    loop {
        if state.stop {
            return;
        }
        if state.running == 0 {
            state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            continue;
        }
        drop(state);
        thread::sleep(EPOCH);
        state = shared.lock();
        state.engines.retain(|engine| match engine.upgrade() {
            Some(engine) => {
                engine.increment_epoch();
                true
            }
            None => false,
        });
    }
}
