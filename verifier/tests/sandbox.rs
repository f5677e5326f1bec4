//! The sandbox from outside: hostile modules, limits, determinism, child processes.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "tests; they print the figures they measure"
)]

#[path = "sandbox/cache.rs"]
mod cache;
#[expect(dead_code, reason = "its command line is not called here")]
#[path = "../examples/componentize.rs"]
mod componentize;
#[path = "sandbox/components.rs"]
mod components;
#[path = "sandbox/corpus.rs"]
mod corpus;
#[path = "sandbox/determinism.rs"]
mod determinism;
#[path = "sandbox/ends.rs"]
mod ends;
#[path = "sandbox/generated.rs"]
mod generated;
#[path = "sandbox/guests.rs"]
mod guests;
#[path = "sandbox/hostile.rs"]
mod hostile;
#[path = "sandbox/hostile_modules.rs"]
mod hostile_modules;
#[path = "sandbox/locked.rs"]
mod locked;
#[path = "sandbox/process.rs"]
mod process;
#[path = "sandbox/refused.rs"]
mod refused;
#[path = "sandbox/stack.rs"]
mod stack;
#[path = "sandbox/support.rs"]
mod support;
#[path = "sandbox/wall.rs"]
mod wall;
