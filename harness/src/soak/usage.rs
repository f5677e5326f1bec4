//! What processes use: memory and descriptors from the system, files from the disk.

use std::{path::Path, time::Instant};

use serde::Serialize;

/// One look at a process.
#[derive(Debug, Clone, Copy)]
struct Sample {
    seconds: f64,
    bytes: u64,
    descriptors: u64,
    /// CPU time so far, in ticks of a hundredth of a second.
    ticks: u64,
}

/// What a process (or several of a kind) used over the run.
#[derive(Debug)]
pub(crate) struct Gauge {
    started: Instant,
    /// Samples of each life: a restart begins a new one.
    lives: Vec<Vec<Sample>>,
}

/// How much memory and how many descriptors, over time. The first quarter of the longest life is
/// warm-up; slope and drift are those of the rest of it.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Usage {
    /// Resident bytes at the first look.
    pub start_bytes: u64,
    /// At the last.
    pub end_bytes: u64,
    /// The most seen.
    pub peak_bytes: u64,
    /// Growth in bytes a minute: the slope of the line through all looks after the warm-up.
    pub slope_bytes_per_minute: i64,
    /// Mean of the last quarter against that of the second, in percent.
    pub drift_percent: f64,
    /// Seconds of the longest life.
    pub longest_life_seconds: f64,
    /// Open descriptors after the warm-up.
    pub start_descriptors: u64,
    /// At the last look.
    pub end_descriptors: u64,
    /// The most seen.
    pub peak_descriptors: u64,
    /// CPU time while it was looked at, with the guests' processes, in seconds.
    pub cpu_seconds: f64,
}

impl Gauge {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), lives: vec![Vec::new()] }
    }

    /// The process was started anew.
    pub(crate) fn restarted(&mut self) {
        self.lives.push(Vec::new());
    }

    /// Looks at these processes together; those that are gone count nothing.
    pub(crate) fn look(&mut self, pids: impl IntoIterator<Item = u32>) {
        let (mut bytes, mut descriptors, mut ticks) = (0, 0, 0);
        for pid in pids {
            bytes += resident(pid).unwrap_or(0);
            descriptors += open_descriptors(pid).unwrap_or(0);
            ticks += cpu_ticks(pid).unwrap_or(0);
            ticks += sandboxes(pid).iter().filter_map(|child| cpu_ticks(*child)).sum::<u64>();
        }
        if bytes == 0 {
            return;
        }
        let seconds = self.started.elapsed().as_secs_f64();
        if let Some(life) = self.lives.last_mut() {
            life.push(Sample { seconds, bytes, descriptors, ticks });
        }
    }

    pub(crate) fn usage(&self) -> Usage {
        let all = || self.lives.iter().flatten();
        let (Some(first), Some(last)) = (all().next(), all().last()) else {
            return Usage::default();
        };
        let longest = self.lives.iter().max_by_key(|life| life.len()).map_or(&[][..], |life| life);
        let quarter = longest.len() / 4;
        let warm = &longest[quarter..];
        let (second, fourth) =
            (&longest[quarter..quarter * 2], &longest[longest.len() - quarter..]);
        let drift = match (mean(second), mean(fourth)) {
            (Some(before), Some(after)) => (after / before - 1.0) * 100.0,
            _ => 0.0,
        };
        Usage {
            start_bytes: first.bytes,
            end_bytes: last.bytes,
            peak_bytes: all().map(|sample| sample.bytes).max().unwrap_or(0),
            slope_bytes_per_minute: (slope(warm) * 60.0) as i64,
            drift_percent: (drift * 10.0).round() / 10.0,
            longest_life_seconds: longest
                .first()
                .zip(longest.last())
                .map_or(0.0, |(first, last)| (last.seconds - first.seconds).round()),
            start_descriptors: warm.first().map_or(0, |sample| sample.descriptors),
            end_descriptors: last.descriptors,
            peak_descriptors: all().map(|sample| sample.descriptors).max().unwrap_or(0),
            cpu_seconds: self.lives.iter().map(|life| cpu_ticks_used(life)).sum::<u64>() as f64
                / TICKS_PER_SECOND,
        }
    }
}

fn mean(samples: &[Sample]) -> Option<f64> {
    let sum: f64 = samples.iter().map(|sample| sample.bytes as f64).sum();
    (!samples.is_empty()).then(|| sum / samples.len() as f64)
}

/// Least squares: bytes a second.
fn slope(samples: &[Sample]) -> f64 {
    let count = samples.len() as f64;
    let Some(bytes) = mean(samples) else { return 0.0 };
    let seconds = samples.iter().map(|sample| sample.seconds).sum::<f64>() / count;
    let (mut above, mut below) = (0.0, 0.0);
    for sample in samples {
        let distance = sample.seconds - seconds;
        above += distance * (sample.bytes as f64 - bytes);
        below += distance * distance;
    }
    if below > 0.0 { above / below } else { 0.0 }
}

/// Resident memory of a process in bytes.
fn resident(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}

fn cpu_ticks_used(life: &[Sample]) -> u64 {
    let (first, last) = (life.first(), life.last());
    first.zip(last).map_or(0, |(first, last)| last.ticks.saturating_sub(first.ticks))
}

/// User and system time of a process.
fn cpu_ticks(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // After the name, which may hold anything: fields 3 and on.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// Processes that run guests for `pid`.
fn sandboxes(pid: u32) -> Vec<u32> {
    // This process's children are the node and the workers, which are counted by themselves.
    if pid == std::process::id() {
        return Vec::new();
    }
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let children = |thread: std::fs::DirEntry| {
        let children = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        children.split_whitespace().filter_map(|child| child.parse().ok()).collect::<Vec<u32>>()
    };
    threads.flatten().flat_map(children).collect()
}

fn open_descriptors(pid: u32) -> Option<u64> {
    Some(std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count() as u64)
}

/// Bytes of all files under `path`, or of the file.
pub(crate) fn disk(path: &Path) -> u64 {
    let Ok(found) = std::fs::symlink_metadata(path) else { return 0 };
    if !found.is_dir() {
        return found.len();
    }
    let Ok(entries) = std::fs::read_dir(path) else { return 0 };
    entries.flatten().map(|entry| disk(&entry.path())).sum()
}

/// The unit of CPU time in `/proc`, everywhere on Linux.
const TICKS_PER_SECOND: f64 = 100.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn life(bytes: impl Iterator<Item = u64>) -> Vec<Sample> {
        let sample =
            |(at, bytes)| Sample { seconds: f64::from(at), bytes, descriptors: 7, ticks: 0 };
        (0u32..).zip(bytes).map(sample).collect()
    }

    #[test]
    fn a_steady_climb_has_its_slope_and_a_plateau_none() {
        let mut gauge = Gauge::new();
        gauge.lives = vec![life((0..100).map(|at| 1_000 + at * 10))];
        assert_eq!(gauge.usage().slope_bytes_per_minute, 600);
        assert!(gauge.usage().drift_percent > 20.0);
        gauge.lives = vec![life([5_000; 10].into_iter()), life([1_000; 100].into_iter())];
        let usage = gauge.usage();
        assert_eq!((usage.slope_bytes_per_minute, usage.drift_percent), (0, 0.0));
        assert_eq!((usage.start_bytes, usage.peak_bytes, usage.end_bytes), (5_000, 5_000, 1_000));
    }

    #[test]
    fn this_process_is_seen() {
        let mut gauge = Gauge::new();
        gauge.look([std::process::id()]);
        let usage = gauge.usage();
        assert!(usage.end_bytes > 0 && usage.end_descriptors > 2);
    }
}
