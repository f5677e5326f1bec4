//! primes: a WASI preview 1 command in Rust, with its standard library.
//!
//! stdin: two numbers, from and to (to excluded, at most 100 million). stdout: how many primes lie
//! between, then the last of them, one a line. Exit 2: the input is not two numbers.

use std::{io::Read, process::exit};

fn main() {
    let mut text = String::new();
    if std::io::stdin().read_to_string(&mut text).is_err() {
        exit(2);
    }
    let numbers: Vec<usize> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let (from, to) = match numbers.as_slice() {
        [from, to] if *to <= 100_000_000 => (*from, *to),
        _ => exit(2),
    };
    let mut composite = vec![false; to];
    let mut count = 0;
    let mut last = 0;
    for n in 2..to {
        if composite[n] {
            continue;
        }
        if n >= from {
            count += 1;
            last = n;
        }
        for multiple in (n.saturating_mul(n)..to).step_by(n) {
            composite[multiple] = true;
        }
    }
    println!("{}\n{}", count, last);
}
