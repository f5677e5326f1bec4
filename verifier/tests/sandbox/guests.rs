//! What honest guests see.

use std::collections::BTreeMap;

use fog_verifier::sandbox::{Exit, Floats, Job, LimitKind, Limits, inspect};
use sha2::{Digest, Sha256};

use super::support::{WORDCOUNT, command, exit_of, job, over, run, small};

/// The same count, written again in another language.
fn counted(text: &[u8]) -> Vec<u8> {
    let letter = |b: u8| b.is_ascii_alphabetic() || b >= 0x80;
    let mut counts = BTreeMap::<Vec<u8>, u64>::new();
    let mut word = Vec::new();
    for &byte in text.iter().chain([&b' ']) {
        if letter(byte) || (!word.is_empty() && byte.is_ascii_digit()) {
            word.push(byte.to_ascii_lowercase());
        } else if !word.is_empty() {
            *counts.entry(std::mem::take(&mut word)).or_default() += 1;
        }
    }
    let lines = counts
        .into_iter()
        .map(|(word, count)| [&word[..], b"\t", count.to_string().as_bytes(), b"\n"].concat());
    lines.collect::<Vec<_>>().concat()
}

/// Text with many different words, the same each time.
pub(crate) fn text(bytes: usize) -> Vec<u8> {
    let mut state = 1u64;
    let mut text = Vec::new();
    while text.len() < bytes {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let word =
            format!("W{:x}ab{} ", (state >> 40) % 5_000, "\u{e9}".repeat((state >> 62) as usize));
        text.extend_from_slice(word.as_bytes());
    }
    text.truncate(bytes);
    text
}

#[test]
fn words_are_counted_as_a_second_implementation_counts_them() {
    for input in
        [&b""[..], b"a", b"The the THE 1st 2nd a1b2-c3", b"\xff\xfe na\xc3\xafve", b"one\ntwo\tone"]
    {
        let outcome = run(WORDCOUNT, job(input));
        assert_eq!(outcome.exit, Exit::Success);
        assert_eq!(
            String::from_utf8_lossy(&outcome.output),
            String::from_utf8_lossy(&counted(input))
        );
    }
}

#[test]
fn a_chunk_of_128_kib_takes_a_small_part_of_the_default_fuel() {
    let input = text(128 << 10);
    let outcome = run(WORDCOUNT, Job::new(input.clone()));
    assert_eq!(outcome.exit, Exit::Success);
    assert_eq!(outcome.output, counted(&input));
    assert_eq!(outcome.output_hash, <[u8; 32]>::from(Sha256::digest(&outcome.output)));
    println!("wordcount of 128 KiB: {} fuel", outcome.fuel_used);
    assert!(outcome.fuel_used < 100_000_000, "{}", outcome.fuel_used);
    assert!(WORDCOUNT.len() < 60_000);
}

#[test]
fn the_checked_in_guest_has_no_floats() {
    let facts = inspect(WORDCOUNT, &Limits::default()).unwrap();
    assert_eq!(facts.floats, Floats::None);
}

#[test]
fn exit_codes_reach_the_outcome() {
    assert_eq!(exit_of(&command("(call $exit (i32.const 0))")), Exit::Success);
    assert_eq!(exit_of(&command("(call $exit (i32.const 7))")), Exit::GuestFailed { code: 7 });
    assert_eq!(
        exit_of(&command("(call $exit (i32.const -1))")),
        Exit::GuestFailed { code: u32::MAX }
    );
}

#[test]
fn arguments_come_after_the_name_task() {
    let echo = command(
        r"(drop (call $args_sizes (i32.const 16) (i32.const 20)))
          (drop (call $args (i32.const 64) (i32.const 1024)))
          (call $put (i32.const 1024) (i32.load (i32.const 20)))
          (call $put (i32.const 16) (i32.const 1))",
    );
    let with_args = Job { args: vec!["12345".into(), "b c".into()], ..job(b"") };
    assert_eq!(run(&echo, with_args).output, b"task\x0012345\0b c\0\x03");
}

#[test]
fn random_numbers_are_the_seeds_alone() {
    let module = command(
        "(drop (call $random (i32.const 100) (i32.const 70))) (call $put (i32.const 100) (i32.const 70))",
    );
    let of = |seed: u8| run(&module, Job { seed: [seed; 32], ..job(b"") }).output;
    assert_eq!(of(1), of(1));
    assert_ne!(of(1), of(2));
    assert_eq!(of(1).len(), 70);
}

#[test]
fn the_clock_starts_in_2024_and_a_sleep_passes_at_once() {
    let module = command(
        r"(drop (call $clock (i32.const 0) (i64.const 0) (i32.const 16)))
          ;; one subscription at 64: clock 1, one hour, relative
          (i32.store8 (i32.const 72) (i32.const 0))
          (i32.store (i32.const 80) (i32.const 1))
          (i64.store (i32.const 88) (i64.const 3600000000000))
          (drop (call $poll (i32.const 64) (i32.const 256) (i32.const 1) (i32.const 32)))
          (drop (call $clock (i32.const 0) (i64.const 0) (i32.const 24)))
          (call $put (i32.const 16) (i32.const 20))",
    );
    let output = run(&module, job(b"")).output;
    let word = |at: usize| u64::from_le_bytes(output[at..at + 8].try_into().unwrap());
    assert_eq!(word(0), 1_704_067_200_000_001_000);
    assert_eq!(word(8) - word(0), 3_600_000_000_000 + 2_000);
    assert_eq!(output[16..20], 1u32.to_le_bytes());
}

#[test]
fn stdin_comes_whole_and_then_ends() {
    let module = command(
        r"(i32.store (i32.const 16) (i32.const 1024)) (i32.store (i32.const 20) (i32.const 3))
          (i32.store (i32.const 24) (i32.const 1027)) (i32.store (i32.const 28) (i32.const 100))
          (drop (call $read (i32.const 0) (i32.const 16) (i32.const 2) (i32.const 32)))
          (call $put (i32.const 1024) (i32.load (i32.const 32)))
          (drop (call $read (i32.const 0) (i32.const 16) (i32.const 2) (i32.const 32)))
          (if (i32.load (i32.const 32)) (then unreachable))",
    );
    assert_eq!(run(&module, job(b"hello, fog")).output, b"hello, fog");
}

#[test]
fn the_end_of_stderr_is_kept() {
    let module = command(
        r"(local $i i32)
          (i32.store (i32.const 0) (i32.const 40)) (i32.store (i32.const 4) (i32.const 1))
          (loop $again
            (i32.store8 (i32.const 40) (i32.add (i32.const 97) (i32.rem_u (local.get $i) (i32.const 26))))
            (drop (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $i) (i32.const 5200))))",
    );
    let outcome = run(&module, job(b""));
    assert_eq!(outcome.stderr_tail.len(), 1 << 10);
    assert!(outcome.stderr_tail.ends_with(b"uvwxyz"));
    assert!(outcome.output.is_empty());
}

#[test]
fn failed_runs_have_no_output_that_could_be_paid() {
    let module = command("(call $put (i32.const 0) (i32.const 4)) unreachable");
    assert!(run(&module, job(b"")).output.is_empty());
    let module = command("(call $put (i32.const 0) (i32.const 4)) (loop $l (br $l))");
    let outcome = run(&module, job(b""));
    assert!(outcome.output.is_empty());
    assert_eq!(outcome.exit, over(LimitKind::Fuel, small().fuel));
    assert_eq!(outcome.fuel_used, small().fuel);
}
