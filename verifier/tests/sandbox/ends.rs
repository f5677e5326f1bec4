//! What workers commit to when a posted task hits a limit: which one, and how far the guest got.

use fog_protocol::{BlobRef, GuestExit, Hash32, Limit, Program, ResourceLimits};
use fog_verifier::{
    AsTold, Execute, Execution, Executor, Job,
    sandbox::{Allocation, Exit, Job as SandboxJob, LimitKind, Limits},
};

use super::{
    process::{alone, config},
    support::{bare, command, sandbox},
};

const MIB: u64 = 1 << 20;
const STACK: u32 = 48 << 10;
const TABLE: u32 = 5_000;

fn execute(module: &[u8], execute: &dyn Execute) -> Execution {
    let program = Program::Wasi { module: BlobRef::of(module) };
    let limits = ResourceLimits {
        fuel: 1_000_000,
        memory_bytes: 2 * MIB,
        output_bytes: 100,
        stack_bytes: STACK,
        table_elements: TABLE,
    };
    let job = Job {
        program: &program,
        blobs: &[module.to_vec()],
        input: b"",
        limits,
        seed: Hash32([7; 32]),
        binding: None,
    };
    execute.execute(&job).unwrap()
}

/// Asks for 200,001 elements.
fn wide() -> Vec<u8> {
    let ask = "(table.grow (ref.null func) (i32.const 200000))";
    let body = format!("(if (i32.eq {ask} (i32.const -1)) (then unreachable))");
    bare("(table 1 funcref)", &body)
}

/// A pool has room for as much as the host gives at most: where that is just what a listing asks for,
/// the pool refuses at the same element as the limit.
#[test]
fn a_table_that_is_as_large_as_the_pool_ends_as_it_does_without_one() {
    let limits = Limits::default();
    let reached = 200_001;
    let allowed = limits.table_elements.into();
    let end = Exit::LimitHit { limit: LimitKind::Table, reached, allowed };
    for allocation in [Allocation::OnDemand, Allocation::Pooled { instances: 1 }] {
        let job = SandboxJob { limits, ..SandboxJob::new(b"") };
        let ended = sandbox(allocation).run(&wide(), job).unwrap().unwrap();
        assert_eq!(ended.exit, end, "{allocation:?}");
    }
}

#[test]
fn every_limit_that_stops_a_task_is_told_with_how_far_it_got() {
    let _alone = alone();
    let executor = Executor::start(config()).unwrap();
    // One page is there; 47 more would make three MiB.
    let greedy = bare(
        "(memory 1)",
        "(if (i32.eq (memory.grow (i32.const 47)) (i32.const -1)) (then unreachable))",
    );
    let endless = bare("", "(loop $again (br $again))");
    let deep = bare("(func $f (export \"f\") (call $f) (call $f))", "(call $f)");
    let chatty = command("(loop $again (call $put (i32.const 16) (i32.const 60)) (br $again))");
    let (stack, tables) = (STACK.into(), TABLE.into());
    let cases = [
        (greedy, Limit::MemoryBytes, 3 * MIB, 2 * MIB, GuestExit::OutOfMemory),
        (wide(), Limit::TableElements, 200_001, tables, GuestExit::OutOfMemory),
        (endless, Limit::Fuel, 1_000_000, 1_000_000, GuestExit::OutOfFuel),
        (deep, Limit::StackBytes, stack, stack, GuestExit::OutOfStack),
        (chatty, Limit::OutputBytes, 120, 100, GuestExit::TooMuchOutput),
    ];
    for (module, limit, reached, allowed, before) in cases {
        let ended = execute(&module, &executor);
        assert_eq!(ended.exit, GuestExit::LimitHit { limit, reached, allowed });
        assert!(ended.output.is_empty());
        assert_eq!(execute(&module, &executor), ended, "the same again");
        // Compared with what was told before there were figures, and with anything else.
        let told = execute(&module, &AsTold::by([GuestExit::Success, before], &executor));
        assert_eq!(told, Execution { exit: before, ..ended.clone() });
        assert_eq!(
            execute(&module, &AsTold::by([ended.exit, GuestExit::Trapped], &executor)),
            ended
        );
    }
}
