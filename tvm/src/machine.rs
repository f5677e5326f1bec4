//! The run loop: tycho's step by step, with our table of opcodes before each one.
//!
//! `VmState::run` of tycho resets the table whenever code changes, so the loop is written again
//! with what the state offers publicly, the return of a child machine (`RUNVM`) included.

use num_bigint::BigInt;
use tycho_vm::{CommittedState, SafeRc, Stack, VmException, VmState};

use crate::dispatch::codepage;

struct OutOfGas;

/// Runs a machine to its end and gives back the complement of the exit code, as `VmState::run`.
pub fn run(vm: &mut VmState<'_>) -> i32 {
    if vm.throw_on_code_access {
        // Not complemented, as all exceptions nobody could catch.
        return i32::from(VmException::Fatal as u8);
    }
    let mut result = 0;
    loop {
        result = match restore_parent(vm, !result) {
            Ok(()) => run_inner(vm),
            Err(OutOfGas) => {
                vm.steps += 1;
                vm.throw_out_of_gas()
            }
        };
        if vm.parent.is_none() {
            return result;
        }
    }
}

fn run_inner(vm: &mut VmState<'_>) -> i32 {
    let mut result = 0;
    while result == 0 {
        vm.cp = codepage();
        result = match vm.step() {
            Ok(result) => result,
            Err(error) if error.is_out_of_gas() => {
                vm.steps += 1;
                vm.throw_out_of_gas()
            }
            Err(error) => {
                vm.steps += 1;
                match vm.throw_exception(error.as_exception() as i32) {
                    Ok(result) => result,
                    Err(error) if error.is_out_of_gas() => {
                        vm.steps += 1;
                        vm.throw_out_of_gas()
                    }
                    // The exception while handling the exception is the one that counts.
                    Err(error) => return error.as_exception().as_exit_code(),
                }
            }
        };
    }
    // Both regular exits commit.
    if result | 1 == -1 && !vm.try_commit() {
        vm.stack = SafeRc::new(Stack { items: vec![Stack::make_zero()] });
        return VmException::CellOverflow.as_exit_code();
    }
    result
}

/// Goes back from a finished child machine to the one that started it, if there is one.
fn restore_parent(vm: &mut VmState<'_>, mut exit_code: i32) -> Result<(), OutOfGas> {
    let Some(parent) = vm.parent.take() else { return Ok(()) };
    let parent = *parent;
    vm.code = parent.code;
    let child_stack = std::mem::replace(&mut vm.stack, parent.stack);
    vm.signature_domains = parent.signature_domains;
    vm.cr = parent.cr;
    let child_committed = std::mem::replace(&mut vm.committed_state, parent.committed_state);
    vm.steps += parent.steps;
    vm.quit0 = parent.quit0;
    vm.quit1 = parent.quit1;
    let child_gas = vm.gas.restore(parent.gas);
    vm.cp = parent.cp;
    vm.parent = parent.parent;

    let consumed = child_gas.gas_consumed.min(child_gas.gas_limit.saturating_add(1));
    vm.gas.try_consume(consumed).map_err(|_| OutOfGas)?;

    let depth = child_stack.depth();
    let mut missing = false;
    let returned = if exit_code == 0 || exit_code == 1 {
        match parent.return_values.map(|count| count as usize) {
            Some(count) if depth < count => {
                exit_code = VmException::StackUnderflow.as_exit_code();
                missing = true;
                0
            }
            Some(count) => count,
            None => depth,
        }
    } else {
        depth.min(1)
    };
    vm.gas.try_consume_stack_depth_gas(returned).map_err(|_| OutOfGas)?;

    let items = &mut SafeRc::make_mut(&mut vm.stack).items;
    if missing {
        items.push(Stack::make_zero());
    }
    items.extend_from_slice(&child_stack.items[depth - returned..]);
    items.push(SafeRc::new_dyn_value(BigInt::from(exit_code)));
    let (data, actions) = match child_committed {
        Some(CommittedState { c4, c5 }) => (Some(c4), Some(c5)),
        None => (None, None),
    };
    for (wanted, cell) in [(parent.return_data, data), (parent.return_actions, actions)] {
        if wanted {
            items.push(match cell {
                Some(cell) => SafeRc::new_dyn_value(cell),
                None => Stack::make_null(),
            });
        }
    }
    if parent.return_gas {
        items.push(SafeRc::new_dyn_value(BigInt::from(child_gas.gas_consumed)));
    }
    Ok(())
}
