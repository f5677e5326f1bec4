//! The hostile corpus in child processes: the host answers each within two seconds past its
//! deadline, no process passes its memory cap, and the answer names the limit and how far it got.

use std::{
    collections::BTreeMap,
    fs,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use fog_verifier::sandbox::{
    Exit, Job, LimitKind, Limits, Outcome, Refusal,
    process::{RunnerConfig, RunnerPool},
};

use super::{
    hostile_modules::{Ends, Fuel, Hostile, all},
    process::{alone, children, config},
    support::{WORDCOUNT, job, small},
};

/// What the host may take over its deadlines.
const PAST: Duration = Duration::from_secs(2);
const COMPILE_WALL: Duration = Duration::from_secs(1);
/// For guests that only the clock can end; the others are to end by something else.
const SHORT_WALL_MS: u32 = 250;
const LONG_WALL_MS: u32 = 5_000;
const COMPILE_MEMORY: u64 = 160 << 20;
const RUN_MEMORY: u64 = 256 << 20;
/// What a process maps besides its own data: this program's text, and its files.
const MAPPED: u64 = 128 << 20;

fn pool() -> RunnerPool {
    let max_limits = Limits { fuel: u64::MAX >> 2, ..Limits::default() };
    RunnerPool::start(RunnerConfig {
        children: 2,
        compile_wall: COMPILE_WALL,
        grace: PAST - Duration::from_millis(500),
        compile_memory: COMPILE_MEMORY,
        run_memory: RUN_MEMORY,
        max_limits,
        ..config()
    })
    .unwrap()
}

fn job_for(hostile: &Hostile) -> Job {
    let (fuel, wall_ms) = match hostile.fuel {
        Fuel::Little => (small().fuel, LONG_WALL_MS),
        Fuel::Endless => (u64::MAX >> 2, SHORT_WALL_MS),
    };
    let module_bytes = 4 << 20;
    Job { limits: Limits { fuel, wall_ms, module_bytes, ..small() }, ..job(b"input") }
}

/// The end in one word, after a check that it says how far it went.
fn ended(result: &Result<Outcome, Refusal>, limits: &Limits) -> String {
    let outcome = match result {
        Err(refusal) => {
            assert!(!refusal.cure().is_empty());
            said_how_far(refusal);
            return refusal.code().to_owned();
        }
        Ok(outcome) => outcome,
    };
    assert!(outcome.memory_bytes <= limits.memory_bytes, "{outcome:?}");
    match &outcome.exit {
        Exit::Success => "success".into(),
        Exit::GuestFailed { .. } => "exit".into(),
        Exit::Trapped { message, .. } => message.clone(),
        Exit::LimitHit { limit, reached, allowed } => {
            assert_eq!(*allowed, limits.of(*limit), "{outcome:?}");
            assert!(reached >= allowed, "{outcome:?}");
            if *limit == LimitKind::Fuel {
                assert_eq!(outcome.fuel_used, limits.fuel);
            }
            assert!(outcome.output.is_empty(), "nothing that could be paid");
            limit.to_string()
        }
    }
}

/// A refusal for a size names the size and the limit, or the limit that compiling ran into.
fn said_how_far(refusal: &Refusal) {
    match refusal {
        Refusal::TooLarge { bytes, limit } | Refusal::MemoryTooBig { bytes, limit } => {
            assert!(bytes > limit);
        }
        Refusal::TableTooBig { elements: count, limit } | Refusal::TooMany { count, limit, .. } => {
            assert!(count > limit)
        }
        Refusal::CompileTimeout { limit_ms } => {
            assert_eq!(u128::from(*limit_ms), COMPILE_WALL.as_millis());
        }
        Refusal::CompileMemory { limit } => assert_eq!(*limit, COMPILE_MEMORY),
        _ => {}
    }
}

fn is_one_of(end: &str, ends: Ends) -> bool {
    ends.contains(&end)
        || (end.starts_with("wasm trap") && ends.iter().any(|part| end.contains(part)))
}

/// Most resident memory of any child while this runs, bytes.
struct Watch<'a> {
    stop: &'a AtomicBool,
}

impl Watch<'_> {
    fn peak(&self) -> u64 {
        let mut peak = 0;
        while !self.stop.load(Ordering::Relaxed) {
            for child in children() {
                let status = fs::read_to_string(format!("/proc/{child}/status"));
                let line = status.unwrap_or_default();
                let line = line.lines().find_map(|line| line.strip_prefix("VmHWM:"));
                let kib = line.and_then(|kib| kib.trim().strip_suffix(" kB")?.parse::<u64>().ok());
                peak = peak.max(kib.unwrap_or(0) << 10);
            }
            thread::sleep(Duration::from_millis(10));
        }
        peak
    }
}

#[test]
fn the_host_survives_the_hostile_corpus() {
    let _alone = alone();
    let corpus = all();
    assert!(corpus.len() >= 60, "{}", corpus.len());
    let pool = pool();
    let (next, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    let tally = Mutex::new((BTreeMap::<String, u32>::new(), Duration::ZERO, Vec::new()));
    let began = Instant::now();
    let peak = thread::scope(|scope| {
        let watch = scope.spawn(|| Watch { stop: &done }.peak());
        let workers = [(); 2].map(|()| {
            scope.spawn(|| {
                while let Some(hostile) = corpus.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let job = job_for(hostile);
                    let (limits, start) = (job.limits, Instant::now());
                    let result = pool.run(&hostile.module, job);
                    let took = start.elapsed();
                    let deadline = COMPILE_WALL + Duration::from_millis(limits.wall_ms.into());
                    let late = took.saturating_sub(deadline);
                    let end = match result {
                        Ok(result) => ended(&result, &limits),
                        Err(error) => format!("host: {error}"),
                    };
                    let mut tally = tally.lock().unwrap();
                    tally.1 = tally.1.max(late);
                    if !is_one_of(&end, hostile.ends) || late > PAST {
                        let (name, ends) = (hostile.name, hostile.ends);
                        tally.2.push(format!("{name}: {end} after {took:?}, expected {ends:?}"));
                    }
                    *tally.0.entry(end).or_default() += 1;
                }
            })
        });
        for worker in workers {
            worker.join().unwrap();
        }
        done.store(true, Ordering::Relaxed);
        watch.join().unwrap()
    });
    let (ends, late, wrong) = tally.into_inner().unwrap();
    println!(
        "{} hostile modules in {:.1?}, at most {late:.1?} past the deadline, {} MiB in a child: \
         {ends:#?}",
        corpus.len(),
        began.elapsed(),
        peak >> 20
    );
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(peak > 0 && peak <= COMPILE_MEMORY.max(RUN_MEMORY) + MAPPED, "{peak}");
    // Whatever happened, an honest guest is served as before.
    let honest = pool.run(WORDCOUNT, job(b"still here")).unwrap().unwrap();
    assert_eq!(honest.output, b"here\t1\nstill\t1\n");
}
