//! Guests of the second kind, components, and guests of every language.

use std::{path::Path, process::Command};

use fog_protocol::{BlobRef, GuestExit, Hash32, Limit, Program, ResourceLimits};
use fog_verifier::{
    Execute as _, Executor, Job as TaskJob,
    sandbox::{
        Allocation, ArtifactCache, Call, Exit, GuestKind, Job, LimitKind, Limits, Nans,
        Optimisation, Outcome, Refusal, Sandbox, SandboxConfig, TrapKind, inspect, pack,
        process::RunnerPool, unpack,
    },
};

use super::{
    componentize,
    guests::text,
    process::{alone, config},
    support::{WORDCOUNT, assemble, job, over, refused, run, shared, small},
};

const WORDS: &[u8] = include_bytes!("../../../cli/guests/words.wasm");
const PRIMES: &[u8] = include_bytes!("../../../cli/guests/primes.wasm");
const CRC32: &[u8] = include_bytes!("../../../cli/guests/crc32.wasm");
const REVERSE: &[u8] = include_bytes!("../../../cli/guests/reverse.wasm");

fn call(call: Call, input: &[u8]) -> Job {
    Job { call, ..job(input) }
}

/// A component whose `execute` has this body: it gives the address of {tag, pointer, length}.
/// `imports` are the component's, with their core functions; `with` hands these to the module.
fn component(imports: &str, core: &str, with: &str, body: &str) -> Vec<u8> {
    assemble(&format!(
        r#"(component
  {imports}
  (core module $m {core}
    (memory (export "memory") 2)
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 8192))
    (func (export "execute") (param $at i32) (param $length i32) (result i32) {body}))
  (core instance $i (instantiate $m {with}))
  (alias core export $i "memory" (core memory $memory))
  (alias core export $i "cabi_realloc" (core func $realloc))
  (alias core export $i "execute" (core func $execute))
  (type $bytes (list u8)) (type $result (result $bytes (error string)))
  (func (export "execute") (param "input" $bytes) (result $result)
    (canon lift (core func $execute) (memory $memory) (realloc $realloc))))"#
    ))
}

/// A body that answers with so many bytes from an address.
fn answer(at: u32, length: u32) -> String {
    format!(
        "(i32.store (i32.const 0) (i32.const 0)) (i32.store (i32.const 4) (i32.const {at})) \
         (i32.store (i32.const 8) (i32.const {length})) (i32.const 0)"
    )
}

/// A component that imports one function and answers with its 64-bit result.
fn tells(interface: &str, name: &str) -> Vec<u8> {
    component(
        &format!(
            "(import \"{interface}\" (instance $i0 (export \"{name}\" (func (result u64))))) \
             (core func $f (canon lower (func $i0 \"{name}\")))"
        ),
        "(import \"\" \"f\" (func $f (result i64)))",
        "(with \"\" (instance (export \"f\" (func $f))))",
        &format!(
            "(i64.store (i32.const 16) (call $f)) (i64.store (i32.const 24) (call $f)) {}",
            answer(16, 16)
        ),
    )
}

#[test]
fn guests_of_four_languages_do_their_work() {
    let primes = run(PRIMES, job(b"10 100\n"));
    assert_eq!((primes.exit, &primes.output[..]), (Exit::Success, &b"21\n97\n"[..]));
    assert_eq!(run(PRIMES, job(b"ten")).exit, Exit::GuestFailed { code: 2 });
    assert_eq!(run(CRC32, job(b"123456789")).output, b"cbf43926\n");
    assert_eq!(run(CRC32, job(b"")).output, b"00000000\n");
    assert_eq!(run(REVERSE, job(b"abc")).output, b"cba");
    let long = text(300_000);
    let reversed = long.iter().rev().copied().collect::<Vec<_>>();
    assert_eq!(run(REVERSE, job(&long)).output, reversed);
    let words = run(WORDS, job(b"the fog, The Fog"));
    assert_eq!(words.output, b"fog\t2\nthe\t2\n");
    assert_eq!(words.stderr_tail, b"2 different words\n");
    for guest in [WORDS, REVERSE] {
        assert_eq!(inspect(guest, &small()).unwrap().kind, GuestKind::Component);
    }
}

#[test]
fn split_execute_and_merge_give_what_execute_gives_of_the_whole() {
    let input = text(20_000);
    let whole = run(WORDS, job(&input));
    assert_eq!(whole.exit, Exit::Success);
    assert_eq!(whole.output, run(WORDCOUNT, job(&input)).output);
    for parts in [1, 2, 7, 100] {
        let split = run(WORDS, call(Call::Split { parts }, &input));
        let pieces = unpack(&split.output).unwrap();
        assert_eq!(pieces.concat(), input);
        assert!(pieces.len() <= parts as usize && pieces.len() * 2 >= parts as usize);
        let outputs = pieces.iter().map(|piece| run(WORDS, job(piece)).output).collect::<Vec<_>>();
        let merged = run(WORDS, call(Call::Merge, &pack(&outputs).unwrap()));
        assert_eq!(merged.output, whole.output, "{parts} parts");
    }
}

#[test]
fn an_error_of_the_guest_is_its_own_words() {
    let nothing = run(REVERSE, job(b""));
    assert_eq!(nothing.exit, Exit::GuestFailed { code: 1 });
    assert_eq!(nothing.stderr_tail, b"nothing to reverse");
    assert!(nothing.output.is_empty());
    let none = run(WORDS, call(Call::Split { parts: 0 }, b"text"));
    assert_eq!(none.exit, Exit::GuestFailed { code: 1 });
    let lines = run(WORDS, call(Call::Merge, &pack(&[b"no tab".to_vec()]).unwrap()));
    assert_eq!(lines.stderr_tail, b"a line without a tab");
}

/// Every way to compile and run gives the same outcome, to the unit of fuel.
#[test]
fn components_are_as_deterministic_as_commands() {
    let _alone = alone();
    let home = tempfile::tempdir().unwrap();
    let input = text(10_000);
    let starved = Limits { fuel: 100_000, ..small() };
    let jobs = [
        (WORDS, job(&input)),
        (WORDS, call(Call::Split { parts: 9 }, &input)),
        (WORDS, Job { limits: starved, ..job(&input) }),
        (REVERSE, job(&input)),
        (PRIMES, job(b"0 20000")),
        (CRC32, job(&input)),
    ];
    let expected = jobs.clone().map(|(module, job)| run(module, job));
    assert_eq!(
        expected[2].exit,
        Exit::LimitHit { limit: LimitKind::Fuel, reached: 100_000, allowed: 100_000 }
    );
    let same = |name: &str, way: &dyn Fn(&[u8], Job) -> Outcome| {
        for ((module, job), expected) in jobs.iter().zip(&expected) {
            assert_eq!(way(module, job.clone()), *expected, "{name}");
        }
    };
    type Change = fn(&mut SandboxConfig);
    let ways: [(&str, Change); 4] = [
        ("pooled", |c| c.allocation = Allocation::Pooled { instances: 1 }),
        ("unoptimised", |c| c.optimisation = Optimisation::Off),
        ("for size", |c| c.optimisation = Optimisation::Size),
        ("NaNs canonical everywhere", |c| c.nans = Nans::Everywhere),
    ];
    for (name, change) in ways {
        let mut config = SandboxConfig { allocation: Allocation::OnDemand, ..Default::default() };
        change(&mut config);
        let sandbox = Sandbox::new(config);
        same(name, &|module, job| sandbox.run(module, job).unwrap().unwrap());
    }
    let cache = ArtifactCache::open(&home.path().join("cache")).unwrap();
    same("cached", &|module, job| {
        let artifact = shared().compile(module, &job.limits).unwrap().unwrap();
        cache.put(&artifact, [1; 32]).unwrap();
        let kept = cache.get(artifact.module_hash(), &job.limits, [1; 32]).unwrap();
        let prepared = shared().load(&kept).unwrap();
        shared().execute(&prepared, job).unwrap().unwrap()
    });
    let mut children = config();
    children.cache = Some(home.path().join("children"));
    for _ in 0..2 {
        // The second pool finds the first one's code on disk.
        let pool = RunnerPool::start(children.clone()).unwrap();
        same("in a child", &|module, job| pool.run(module, job).unwrap().unwrap());
    }
}

#[test]
fn the_clock_is_fixed_and_the_generator_seeded() {
    let clock = run(&tells("wasi:clocks/monotonic-clock@0.2.3", "now"), job(b""));
    let word = |at: usize| u64::from_le_bytes(clock.output[at..at + 8].try_into().unwrap());
    assert_eq!((word(0), word(8)), (1_000, 2_000));
    let random = tells("wasi:random/random@0.2.0", "get-random-u64");
    let with = |seed| run(&random, Job { seed, ..job(b"") }).output;
    assert_eq!(with([1; 32]), with([1; 32]));
    assert_ne!(with([1; 32]), with([2; 32]));
    assert_ne!(with([1; 32])[..8], with([1; 32])[8..]);
}

#[test]
fn there_is_no_other_authority() {
    let socket = tells("wasi:sockets/tcp-create-socket@0.2.0", "create-tcp-socket");
    let Exit::Trapped { kind: TrapKind::Other, message } = run(&socket, job(b"")).exit else {
        panic!("a socket")
    };
    assert!(
        message.contains("wasi:sockets/tcp-create-socket@0.2.0#create-tcp-socket"),
        "{message}"
    );
    for (interface, part) in [
        ("wasi:http/outgoing-handler@0.2.0", "wasi:http.outgoing-handler@0.2.0"),
        ("wasi:cli/environment@0.3.0", "wasi:cli.environment@0.3.0"),
        ("evil:host/files@1.0.0", "evil:host.files@1.0.0"),
    ] {
        let refusal = refused(&tells(interface, "f"));
        assert!(matches!(refusal, Refusal::ForbiddenImport { .. }), "{refusal:?}");
        assert!(refusal.to_string().contains(part), "{refusal}");
    }
}

#[test]
fn what_is_no_task_is_refused() {
    let reasons = [
        (r#"(component)"#, "no execute"),
        (
            r#"(component (core module $m (func (export "f") (param i32) (result i32) (local.get 0)))
                (core instance $i (instantiate $m))
                (func (export "execute") (param "input" u32) (result u32) (canon lift (core func $i "f"))))"#,
            "execute has another type",
        ),
    ];
    for (text, part) in reasons {
        let Refusal::NoExecute { reason } = refused(&assemble(text)) else { panic!("{text}") };
        assert!(reason.contains(part), "{reason}");
    }
    for (guest, call) in [
        (WORDCOUNT, Call::Split { parts: 2 }),
        (WORDCOUNT, Call::Merge),
        (REVERSE, Call::Split { parts: 2 }),
        (REVERSE, Call::Merge),
    ] {
        let job = Job { call, ..job(&pack(&[]).unwrap()) };
        let refusal = shared().run(guest, job).unwrap().unwrap_err();
        assert_eq!(refusal, Refusal::NoSuchCall { function: call.name().into() });
    }
    let bad = shared().run(WORDS, call(Call::Merge, b"not packed")).unwrap().unwrap_err();
    assert!(matches!(bad, Refusal::BadParts { .. }));
}

#[test]
fn limits_of_components_are_named() {
    let little = |limits| run(WORDS, Job { limits, ..job(&text(8_000)) }).exit;
    assert_eq!(
        little(Limits { output_bytes: 100, ..small() }),
        Exit::LimitHit {
            limit: LimitKind::Output,
            reached: run(WORDS, job(&text(8_000))).output.len() as u64,
            allowed: 100
        }
    );
    let tight = Limits { memory_bytes: 256 << 10, ..small() };
    let Exit::LimitHit { limit: LimitKind::Memory, reached, allowed } = little(tight) else {
        panic!("{:?}", little(tight))
    };
    assert!(reached > allowed && allowed == 256 << 10);
    let spin = component("", "", "", "(loop $l (br $l)) (i32.const 0)");
    assert_eq!(run(&spin, job(b"")).exit, over(LimitKind::Fuel, small().fuel));
    let deep = component("", "(func $f (call $f))", "", "(call $f) (i32.const 0)");
    assert_eq!(run(&deep, job(b"")).exit, over(LimitKind::Stack, small().stack_bytes.into()));
    let flood = component(
        "",
        "",
        "",
        "(drop (memory.grow (i32.const 40))) (i32.store (i32.const 0) (i32.const 0)) (i32.store (i32.const 4) (i32.const 0)) (i32.store (i32.const 8) (i32.const 2000000)) (i32.const 0)",
    );
    assert!(matches!(run(&flood, job(b"")).exit, Exit::LimitHit { limit: LimitKind::Output, .. }));
}

/// What workers and verifiers call for a posted task: of a component, `execute`.
#[test]
fn a_posted_component_is_run_by_its_execute() {
    let _alone = alone();
    let executor = Executor::start(config()).unwrap();
    let program = Program::Wasi { module: BlobRef::of(WORDS) };
    let blobs = [WORDS.to_vec()];
    let task = TaskJob {
        program: &program,
        blobs: &blobs,
        input: b"to be or not to be",
        limits: ResourceLimits::default(),
        seed: Hash32([7; 32]),
        binding: None,
    };
    executor.admit(&task).unwrap();
    let execution = executor.execute(&task).unwrap();
    assert_eq!(execution.exit, GuestExit::Success);
    assert_eq!(execution.output, b"be\t2\nnot\t1\nor\t1\nto\t2\n");
    assert_eq!(executor.execute(&task).unwrap(), execution);
    let starved = ResourceLimits { fuel: 1_000, ..ResourceLimits::default() };
    let execution = executor.execute(&TaskJob { limits: starved, ..task }).unwrap();
    let end = GuestExit::LimitHit { limit: Limit::Fuel, reached: 1_000, allowed: 1_000 };
    assert_eq!(execution.exit, end);
}

#[test]
fn hostile_answers_end_the_guest_and_not_the_host() {
    // One megabyte of the guest's memory, named ten thousand times: ten gigabytes for the host.
    let amplifier = assemble(
        r#"(component
  (core module $m
    (memory (export "memory") 40)
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 8192))
    (func (export "execute") (param i32 i32) (result i32) (i32.const 0))
    (func (export "merge") (param i32 i32) (result i32) (i32.const 0))
    (func (export "split") (param i32 i32 i32) (result i32)
      (local $n i32)
      (loop $more
        (i32.store (i32.add (i32.const 65536) (i32.mul (local.get $n) (i32.const 8))) (i32.const 0))
        (i32.store (i32.add (i32.const 65540) (i32.mul (local.get $n) (i32.const 8))) (i32.const 1048576))
        (br_if $more (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 9999))))
      (i32.store (i32.const 0) (i32.const 0))
      (i32.store (i32.const 4) (i32.const 65536))
      (i32.store (i32.const 8) (local.get $n))
      (i32.const 0)))
  (core instance $i (instantiate $m))
  (alias core export $i "memory" (core memory $memory))
  (alias core export $i "cabi_realloc" (core func $realloc))
  (type $bytes (list u8)) (type $parts (list $bytes))
  (type $one (result $bytes (error string))) (type $many (result $parts (error string)))
  (func (export "execute") (param "input" $bytes) (result $one)
    (canon lift (core func $i "execute") (memory $memory) (realloc $realloc)))
  (func (export "split") (param "input" $bytes) (param "parts" u32) (result $many)
    (canon lift (core func $i "split") (memory $memory) (realloc $realloc)))
  (func (export "merge") (param "outputs" $parts) (result $one)
    (canon lift (core func $i "merge") (memory $memory) (realloc $realloc))))"#,
    );
    let end = run(&amplifier, call(Call::Split { parts: 3 }, b"x")).exit;
    assert!(matches!(end, Exit::LimitHit { limit: LimitKind::Output, .. }), "{end:?}");
    // Pointers outside memory, a tag that is none, an error that is no text.
    for body in [
        answer(131_072, 1),
        answer(u32::MAX, 4),
        answer(16, u32::MAX),
        "(i32.const -4)".to_owned(),
        "(i32.store (i32.const 0) (i32.const 7)) (i32.const 0)".to_owned(),
        "(i32.store (i32.const 0) (i32.const 1)) (i32.store (i32.const 4) (i32.const 32)) (i32.store (i32.const 8) (i32.const 2)) (i32.store8 (i32.const 32) (i32.const 255)) (i32.const 0)".to_owned(),
    ] {
        let outcome = run(&component("", "", "", &body), job(b"x"));
        assert!(matches!(outcome.exit, Exit::Trapped { .. }), "{body}: {outcome:?}");
        assert!(outcome.output.is_empty());
    }
}

/// Where the toolchains are, the checked-in guests come out of their sources byte by byte.
#[test]
fn checked_in_guests_are_what_their_sources_build() {
    let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cli/guests");
    let home = tempfile::tempdir().unwrap();
    let mut build = Command::new(guests.join("build.sh"));
    // Not by cargo, which is running this test: by its own code, here.
    let output = build.arg(home.path()).env("COMPONENTIZE", "none").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    print!("{said}");
    let checked_in = |name: &str| std::fs::read(guests.join(name)).unwrap();
    for entry in std::fs::read_dir(home.path()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let (name, built) = match name.strip_suffix(".core.wasm") {
            Some(name) => (
                format!("{name}.wasm"),
                componentize::wrap(path.to_str().unwrap(), "task").unwrap(),
            ),
            None => (name.to_owned(), std::fs::read(&path).unwrap()),
        };
        assert!(built == checked_in(&name), "{name} is not what its source builds");
    }
    let reverse = guests.join("reverse/reverse.wat");
    assert!(
        componentize::assemble(reverse.to_str().unwrap()).unwrap() == checked_in("reverse.wasm")
    );
}
