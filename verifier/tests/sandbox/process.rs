//! Guests in child processes: this test program is its own child.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    os::fd::{AsRawFd, OwnedFd},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use fog_verifier::sandbox::{
    Exit, Job, LimitKind, Limits, Refusal,
    process::{NoProof, ProveJob, RunnerConfig, RunnerError, RunnerPool, child_main},
};

use super::support::{WORDCOUNT, assemble, command, job, run, small};

const CANARY: &str = "FOG_TEST_CANARY_5d1f";

/// Not a test: what the child processes of the tests below run. Without a parent it ends.
#[test]
#[ignore = "the entry of child processes, started by the other tests"]
fn sandbox_child_entry() {
    // The harness prints to stdout, which is nowhere; the sandbox speaks through stdin.
    let _ = child_main();
}

pub(crate) fn config() -> RunnerConfig {
    let mut config = RunnerConfig::new(std::env::current_exe().unwrap());
    config.args = ["--ignored", "--exact", "process::sandbox_child_entry", "--nocapture"]
        .map(Into::into)
        .to_vec();
    config.children = 1;
    config
}

/// Two cores: the tests that start processes run one after the other.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn spin() -> Vec<u8> {
    command("(loop $l (br $l))")
}

fn endless(wall_ms: u32) -> Job {
    let max = Limits::default();
    Job { limits: Limits { fuel: u64::MAX >> 2, wall_ms, ..max }, ..Job::new(*b"") }
}

fn generous() -> RunnerConfig {
    let max_limits = Limits { fuel: u64::MAX >> 2, wall_ms: 120_000, ..Limits::default() };
    RunnerConfig { max_limits, ..config() }
}

#[test]
fn a_child_maps_code_from_the_cache_even_when_its_file_is_gone() {
    let _alone = alone();
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("cache");
    let cached = || RunnerConfig { cache: Some(directory.clone()), ..config() };
    let code_files = || {
        let files = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|path| path.extension().is_some_and(|e| e == "code")).collect::<Vec<_>>()
    };
    let compiled = RunnerPool::start(cached()).unwrap();
    let first = compiled.run(WORDCOUNT, job(b"fog fog")).unwrap().unwrap();
    assert_eq!(code_files().len(), 1);

    let mapped = RunnerPool::start(cached()).unwrap();
    mapped.compile(WORDCOUNT, &small()).unwrap().unwrap();
    fs::remove_file(&code_files()[0]).unwrap();
    let second = mapped.run(WORDCOUNT, job(b"fog fog")).unwrap().unwrap();
    assert_eq!((second.exit, second.output), (first.exit, first.output));
    assert_eq!(second.fuel_used, first.fuel_used);
    assert!(code_files().is_empty(), "it was not compiled again");
}

#[test]
fn a_child_gives_what_this_process_gives() {
    let _alone = alone();
    let pool = RunnerPool::start(config()).unwrap();
    let modules = [
        WORDCOUNT.to_vec(),
        command(
            "(drop (call $random (i32.const 64) (i32.const 99))) (call $put (i32.const 64) (i32.const 99))",
        ),
        command("unreachable"),
        command("(call $exit (i32.const 3))"),
        spin(),
        assemble("(module (func $f (export \"_start\") (call $f)))"),
    ];
    for module in &modules {
        let job = job(b"to be or not to be");
        let there = pool.run(module, job.clone()).unwrap().unwrap();
        assert_eq!(there, run(module, job));
    }
}

#[test]
fn refusals_come_from_the_child() {
    let _alone = alone();
    let pool = RunnerPool::start(config()).unwrap();
    let refusal = pool.run(b"(module)", job(b"")).unwrap().unwrap_err();
    assert_eq!(refusal, Refusal::TextFormat);
    let module = assemble("(module (import \"env\" \"x\" (func)) (func (export \"_start\")))");
    let refusal = pool.run(&module, job(b"")).unwrap().unwrap_err();
    assert!(matches!(refusal, Refusal::ForbiddenImport { .. }), "{refusal}");
    let huge = Job { limits: Limits { fuel: u64::MAX, ..small() }, ..job(b"") };
    let refusal = pool.run(WORDCOUNT, huge).unwrap().unwrap_err();
    assert!(matches!(refusal, Refusal::LimitAboveHost { limit: LimitKind::Fuel, .. }));
}

#[test]
fn a_child_is_kept_after_success_and_replaced_after_a_trap() {
    let _alone = alone();
    let pool = RunnerPool::start(config()).unwrap();
    let first = pool.idle_children();
    pool.run(WORDCOUNT, job(b"a b")).unwrap().unwrap();
    assert_eq!(pool.idle_children(), first);
    pool.run(&command("unreachable"), job(b"")).unwrap().unwrap();
    assert_eq!(pool.idle_children(), Vec::<u32>::new());
    assert_eq!(pool.live_children(), 0);
    pool.run(WORDCOUNT, job(b"a b")).unwrap().unwrap();
    assert_ne!(pool.idle_children(), first);
}

#[test]
fn a_child_is_replaced_after_its_number_of_runs() {
    let _alone = alone();
    let pool = RunnerPool::start(RunnerConfig { runs_per_child: 2, ..config() }).unwrap();
    let first = pool.idle_children();
    pool.run(WORDCOUNT, job(b"a")).unwrap().unwrap();
    assert_eq!(pool.idle_children(), first);
    pool.run(WORDCOUNT, job(b"a")).unwrap().unwrap();
    assert_eq!(pool.live_children(), 0);
}

/// Waits for a child of this process that is not among the known ones.
fn new_child(known: &BTreeSet<u32>) -> u32 {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(pid) = children().difference(known).next() {
            return *pid;
        }
        assert!(Instant::now() < deadline, "no child appeared");
        thread::yield_now();
    }
}

pub(crate) fn children() -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    for task in fs::read_dir("/proc/self/task").unwrap() {
        let list = fs::read_to_string(task.unwrap().path().join("children")).unwrap_or_default();
        found.extend(list.split_whitespace().map(|pid| pid.parse::<u32>().unwrap()));
    }
    found
}

fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

fn busy(pid: u32) -> bool {
    // utime, the 14th field; the name in brackets holds no space here.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after_name = stat.rsplit(')').next().unwrap().to_owned();
    after_name.split_whitespace().nth(11).unwrap().parse::<u64>().unwrap() > 20
}

#[test]
fn a_child_killed_in_a_run_is_an_error_and_the_pool_recovers() {
    let _alone = alone();
    let pool = RunnerPool::start(generous()).unwrap();
    let child = pool.idle_children()[0];
    let module = spin();
    pool.compile(&module, &Limits::default()).unwrap().unwrap();
    let theirs = pool.clone();
    let running = thread::spawn(move || theirs.run(&module, endless(60_000)));
    let deadline = Instant::now() + Duration::from_secs(20);
    while !busy(child) {
        assert!(Instant::now() < deadline, "the guest does not run");
        thread::yield_now();
    }
    kill(child);
    let error = running.join().unwrap().unwrap_err();
    assert!(matches!(&error, RunnerError::ChildDied(how) if how.contains("signal 9")), "{error}");
    let outcome = pool.run(WORDCOUNT, job(b"still here")).unwrap().unwrap();
    assert_eq!(outcome.output, b"here\t1\nstill\t1\n");
}

#[test]
fn a_child_killed_while_idle_is_replaced_unnoticed() {
    let _alone = alone();
    let pool = RunnerPool::start(config()).unwrap();
    let child = pool.idle_children()[0];
    kill(child);
    // Killed means gone once the kernel says so.
    let deadline = Instant::now() + Duration::from_secs(10);
    while fs::read_to_string(format!("/proc/{child}/stat")).is_ok_and(|s| !s.contains(") Z")) {
        assert!(Instant::now() < deadline);
        thread::yield_now();
    }
    assert_eq!(pool.run(WORDCOUNT, job(b"x")).unwrap().unwrap().output, b"x\t1\n");
}

#[test]
fn the_wall_limit_ends_a_guest_with_endless_fuel() {
    let _alone = alone();
    let pool = RunnerPool::start(generous()).unwrap();
    let outcome = pool.run(&spin(), endless(200)).unwrap().unwrap();
    let Exit::LimitHit { limit: LimitKind::Wall, reached, allowed: 200 } = outcome.exit else {
        panic!("{outcome:?}");
    };
    assert!((200..120_000).contains(&reached), "{reached}");
    assert!(!outcome.exit.is_deterministic());
}

#[test]
fn a_child_that_does_not_answer_is_killed() {
    let _alone = alone();
    let pool = RunnerPool::start(RunnerConfig { grace: Duration::from_millis(200), ..generous() })
        .unwrap();
    let child = pool.idle_children()[0];
    pool.compile(WORDCOUNT, &Limits::default()).unwrap().unwrap();
    let pid = rustix::process::Pid::from_raw(i32::try_from(child).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    // Stopped once the kernel says so of each thread.
    let deadline = Instant::now() + Duration::from_secs(10);
    while !fs::read_dir(format!("/proc/{child}/task"))
        .unwrap()
        .all(|task| fs::read_to_string(task.unwrap().path().join("stat")).unwrap().contains(") T"))
    {
        assert!(Instant::now() < deadline);
        thread::yield_now();
    }
    let limits = Limits { wall_ms: 100, ..small() };
    let error = pool.run(WORDCOUNT, Job { limits, ..job(b"x") }).unwrap_err();
    assert!(matches!(error, RunnerError::Hung), "{error}");
    assert!(!children().contains(&child));
    assert_eq!(pool.run(WORDCOUNT, job(b"x")).unwrap().unwrap().output, b"x\t1\n");
}

#[test]
fn callers_beyond_the_queue_are_turned_away() {
    let _alone = alone();
    let pool = RunnerPool::start(RunnerConfig { queue: 0, ..generous() }).unwrap();
    let child = pool.idle_children()[0];
    let module = spin();
    pool.compile(&module, &Limits::default()).unwrap().unwrap();
    pool.compile(WORDCOUNT, &Limits::default()).unwrap().unwrap();
    let theirs = pool.clone();
    let running = thread::spawn(move || theirs.run(&module, endless(30_000)));
    while pool.idle_children().contains(&child) {
        thread::yield_now();
    }
    let error = pool.run(WORDCOUNT, job(b"x")).unwrap_err();
    assert!(matches!(error, RunnerError::Busy), "{error}");
    kill(child);
    running.join().unwrap().unwrap_err();
}

#[test]
fn a_compile_that_takes_too_long_is_refused() {
    let _alone = alone();
    let limits = RunnerConfig { compile_wall: Duration::from_millis(1), ..config() };
    let pool = RunnerPool::start(limits).unwrap();
    let refusal = pool.run(&bomb(4_000), job(b"")).unwrap().unwrap_err();
    assert_eq!(refusal, Refusal::CompileTimeout { limit_ms: 1 });
}

#[test]
fn a_compile_that_takes_too_much_memory_is_refused() {
    let _alone = alone();
    let compile_memory = 80 << 20;
    let pool = RunnerPool::start(RunnerConfig { compile_memory, ..config() }).unwrap();
    let refusal = pool.run(&bomb(20_000), job(b"")).unwrap().unwrap_err();
    assert_eq!(refusal, Refusal::CompileMemory { limit: compile_memory });
}

/// One function of so many branches that compiling it is real work.
fn bomb(branches: usize) -> Vec<u8> {
    let branch = "(if (local.get $x) (then (local.set $x (i32.mul (local.get $x) (local.get $y)))) \
                  (else (local.set $y (i32.add (local.get $x) (local.get $y)))))";
    assemble(&format!(
        "(module (func (export \"_start\") (local $x i32) (local $y i32) {}))",
        branch.repeat(branches)
    ))
}

#[test]
fn a_program_that_is_not_there_or_not_ours_is_an_error_at_the_start() {
    let _alone = alone();
    let nowhere = RunnerPool::start(RunnerConfig::new("/does/not/exist"));
    assert!(matches!(nowhere, Err(RunnerError::Spawn(_))));
    let mut other = RunnerConfig::new("/bin/true");
    other.args.clear();
    assert!(matches!(RunnerPool::start(other), Err(RunnerError::Start(_))));
}

#[test]
fn nothing_leaks_into_a_child() {
    let _alone = alone();
    // A descriptor that a careless library left open for children, and a secret beside it.
    let secret = tempfile::NamedTempFile::new().unwrap();
    fs::write(secret.path(), CANARY).unwrap();
    let leaked = OwnedFd::from(File::open(secret.path()).unwrap());
    rustix::io::fcntl_setfd(&leaked, rustix::io::FdFlags::empty()).unwrap();
    assert!(leaked.as_raw_fd() > 2);

    let known = children();
    let pool = RunnerPool::start(config()).unwrap();
    let child = pool.idle_children()[0];
    assert_eq!(new_child(&known), child);
    pool.run(WORDCOUNT, job(b"x")).unwrap().unwrap();

    let environment = fs::read(format!("/proc/{child}/environ")).unwrap();
    assert_eq!(environment, b"", "the environment is empty");
    assert!(std::env::vars_os().count() > 0, "the parent's is not");
    for entry in fs::read_dir(format!("/proc/{child}/fd")).unwrap() {
        let target = fs::read_link(entry.unwrap().path()).unwrap();
        assert_ne!(target, secret.path());
        let target = target.to_string_lossy().into_owned();
        let harmless = target.starts_with("socket:")
            || target == "/dev/null"
            || target.starts_with("/memfd:wasm")
            || target.starts_with("/proc/");
        assert!(harmless, "the child holds {target}");
    }
    assert_eq!(fs::read_link(format!("/proc/{child}/cwd")).unwrap().to_str(), Some("/"));
    // All threads but the test harness's own main thread, which fog's child does not have.
    for task in fs::read_dir(format!("/proc/{child}/task")).unwrap() {
        let task = task.unwrap();
        let status = fs::read_to_string(task.path().join("status")).unwrap();
        let harness = task.file_name().to_str() == Some(&child.to_string());
        assert!(harness || status.contains("NoNewPrivs:\t1"), "{status}");
    }
    let limits = fs::read_to_string(format!("/proc/{child}/limits")).unwrap();
    let hard = |name: &str| {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        line[26..].split_whitespace().nth(1).unwrap().to_owned()
    };
    assert_eq!(hard("Max core file size"), "0");
    assert_eq!(hard("Max open files"), "192");
    assert_eq!(hard("Max data size"), (2u64 << 30).to_string());
}

/// The prover starts threads of its own, after the child has given up all else.
#[test]
fn a_proof_is_made_in_a_child() {
    let _alone = alone();
    let pool = RunnerPool::start(config()).unwrap();
    let vector = |folder: &str, name: &str| {
        let tests = env!("CARGO_MANIFEST_DIR");
        fs::read(format!("{tests}/tests/vectors/groth16/{folder}{name}")).unwrap()
    };
    for (folder, curve) in [("", "bn128"), ("bls12-381/", "bls12381")] {
        let job = |input: &[u8]| ProveJob {
            zkey: vector(folder, "bound.zkey"),
            witness: vector(folder, "bound.wasm"),
            input: input.to_vec(),
            binding: "5".into(),
            seed: [3; 32],
            fuel: 10_000_000,
            memory_bytes: 64 << 20,
        };
        let wall = Duration::from_secs(60);
        let proof = pool.prove(job(br#"{"square": "49", "x": "7"}"#), wall).unwrap().unwrap();
        let (here, json) = (proof.fuel_used, String::from_utf8(proof.json).unwrap());
        assert!(here > 0 && json.contains("\"public\"") && json.contains(curve), "{json}");
        let wrong = pool.prove(job(br#"{"square": "50", "x": "7"}"#), wall).unwrap().unwrap_err();
        assert!(matches!(wrong, NoProof::Input(_)), "{wrong:?}");
    }
}

#[test]
fn no_child_outlives_its_pool() {
    let _alone = alone();
    let pool = RunnerPool::start(config()).unwrap();
    let child = pool.idle_children()[0];
    drop(pool);
    assert!(!children().contains(&child));
}
