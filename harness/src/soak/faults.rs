//! Faults, one after the other in an order that the seed decides.

use std::{
    str::FromStr,
    time::{Duration, Instant},
};

use serde::Serialize;

use super::{SoakError, proxy::Line, world::World};

/// How long a fault of the line to the chain lasts.
const OUTAGE: Duration = Duration::from_secs(3);
const DELAY: Duration = Duration::from_millis(150);
/// Shortest time between the beginnings of two faults.
const LEAST_GAP: Duration = Duration::from_secs(8);
/// Faults in a run that is long enough for them.
const FAULTS: u32 = 100;

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// The node is killed (SIGKILL) and started again.
    Node,
    /// A worker is killed (SIGKILL) and started again.
    Worker,
    /// Node and chain are cut off from each other.
    ChainDrop,
    /// Every packet between node and chain takes 150 ms longer, each way.
    ChainDelay,
    /// The chain's gateway answers every request of the node 429.
    ChainLimit,
    /// A verifier is killed (SIGKILL) and started again: there are three, in processes of their own.
    Verifier,
    /// Node and a worker can write nothing for a while; what ends for it is started again.
    Disk,
    /// Every connection between workers and node breaks within ten seconds, from the beginning.
    Frames,
}

impl Fault {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Node,
        Self::Worker,
        Self::ChainDrop,
        Self::ChainDelay,
        Self::ChainLimit,
        Self::Verifier,
        Self::Disk,
        Self::Frames,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Worker => "worker",
            Self::ChainDrop => "chain-drop",
            Self::ChainDelay => "chain-delay",
            Self::ChainLimit => "chain-limit",
            Self::Verifier => "verifier",
            Self::Disk => "disk",
            Self::Frames => "frames",
        }
    }
}

/// A fault that there is not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no fault `{0}`: node, worker, chain-drop, chain-delay, chain-limit, verifier, disk, frames, cheaters"
)]
pub struct UnknownFault(String);

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        let known = Self::ALL.into_iter().find(|fault| fault.name() == text);
        known.ok_or_else(|| UnknownFault(text.to_owned()))
    }
}

/// A fault that was injected.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Injected {
    /// Which.
    pub fault: Fault,
    /// Seconds after the first posting.
    pub at_seconds: f64,
    /// How long it lasted: for a killed node, until it answered again.
    pub lasted_ms: u64,
}

/// Injects faults until `until`, then leaves everything whole.
pub(super) async fn inject(world: &World, until: Instant) -> Result<Vec<Injected>, SoakError> {
    let started = Instant::now();
    let mut injected = Vec::new();
    let mut kinds = world.options.faults.clone();
    kinds.retain(|fault| *fault != Fault::Frames);
    if kinds.is_empty() {
        return Ok(injected);
    }
    // Which comes first is the seed's choice; every kind comes.
    let first = world.options.seed as usize % kinds.len();
    kinds.rotate_left(first);
    let gap = ((until - started) / FAULTS).max(LEAST_GAP);
    for (number, fault) in kinds.iter().copied().cycle().enumerate() {
        let at = started + gap / 2 + gap * u32::try_from(number).unwrap_or(u32::MAX);
        if at + OUTAGE > until {
            break;
        }
        tokio::time::sleep_until(at.into()).await;
        let begun = Instant::now();
        (world.watch)(format!("fault   {}", fault.name()));
        perform(world, fault, number).await?;
        injected.push(Injected {
            fault,
            at_seconds: ((begun - started).as_secs_f64() * 10.0).round() / 10.0,
            lasted_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        });
    }
    Ok(injected)
}

async fn perform(world: &World, fault: Fault, number: usize) -> Result<(), SoakError> {
    let during = async |line: Line| {
        world.line.set(line);
        tokio::time::sleep(OUTAGE).await;
        world.line.set(Line::Up);
    };
    match fault {
        Fault::Node => world.restart_node().await?,
        Fault::Worker => world.restart_worker(number).await?,
        Fault::Verifier => world.restart_verifier(number).await?,
        Fault::Disk => world.full_disk(number, OUTAGE).await?,
        Fault::Frames => {}
        Fault::ChainDrop => during(Line::Down).await,
        Fault::ChainDelay => during(Line::Slow(DELAY)).await,
        Fault::ChainLimit => during(Line::Limited).await,
    }
    Ok(())
}
