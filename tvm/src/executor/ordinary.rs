//! The order of the phases of an ordinary transaction.

use tycho_executor::ExecutorState;
use tycho_executor::phase::{ReceivedMessage, StoragePhaseContext};
use tycho_types::models::{
    AccountState, AccountStatusChange, BouncePhase, ComputePhase, CreditPhase, OrdinaryTxInfo,
    StateInit, StoragePhase,
};
use tycho_types::prelude::*;

use super::action::{self, Acted, Request};
use super::compute::{self, Computed};
use super::receive::{self, Received};
use super::{ExecuteError, Inbound, bounce, layout};

/// Runs all phases.
pub(super) fn run<'a>(
    mut exec: ExecutorState<'a>,
    kind: Inbound,
    message: Cell,
) -> Result<(ExecutorState<'a>, OrdinaryTxInfo), ExecuteError> {
    let external = kind == Inbound::External;
    let mut received = match receive::run(&mut exec, message) {
        Ok(received) if received.msg.is_external == external => received,
        Ok(_) => return Err(ExecuteError::Fatal("not the expected kind of message".to_owned())),
        Err(_) if external => {
            return Err(ExecuteError::NotAccepted { exit_code: None, gas_used: 0 });
        }
        Err(error) => return Err(ExecuteError::fatal(error)),
    };
    let before = match &mut exec.state {
        AccountState::Active(state) => {
            layout::normalise(state);
            Some(state.clone())
        }
        _ => None,
    };
    let (storage_phase, credit_phase) = storage_and_credit(&mut exec, &mut received.msg)?;
    if storage_phase.status_change == AccountStatusChange::Frozen {
        freeze(&mut exec)?;
    }
    let computed = compute::run(&mut exec, &received, storage_phase.storage_fees_collected)
        .map_err(ExecuteError::fatal)?;
    if external && !computed.accepted {
        return Err(ExecuteError::NotAccepted {
            exit_code: computed.exit_code,
            gas_used: computed.gas_used,
        });
    }
    let compute_phase = computed.phase.clone();
    let acted = act(&mut exec, &mut received, computed, before)?;
    let bounce_phase = bounce(&mut exec, &received, &compute_phase, acted.as_ref())?;
    let info = OrdinaryTxInfo {
        credit_first: !received.msg.bounce_enabled,
        storage_phase: Some(storage_phase),
        credit_phase,
        compute_phase,
        aborted: !acted.as_ref().is_some_and(|acted| acted.phase.success),
        destroyed: acted.as_ref().is_some_and(|acted| acted.destroyed),
        action_phase: acted.map(|acted| acted.phase),
        bounce_phase,
    };
    Ok((exec, info))
}

/// A message that can bounce brings its value only after the storage has been paid for.
fn storage_and_credit(
    exec: &mut ExecutorState<'_>,
    msg: &mut ReceivedMessage,
) -> Result<(StoragePhase, Option<CreditPhase>), ExecuteError> {
    let credit = |exec: &mut ExecutorState<'_>, msg: &ReceivedMessage| {
        if msg.is_external {
            return Ok(None);
        }
        exec.credit_phase(msg).map(Some).map_err(ExecuteError::fatal)
    };
    let storage = |exec: &mut ExecutorState<'_>, msg: &mut ReceivedMessage, adjust| {
        exec.storage_phase(StoragePhaseContext {
            adjust_msg_balance: adjust,
            received_message: Some(msg),
            inspector: None,
        })
        .map_err(ExecuteError::fatal)
    };
    if msg.bounce_enabled {
        let storage_phase = storage(exec, msg, false)?;
        Ok((storage_phase, credit(exec, msg)?))
    } else {
        let credit_phase = credit(exec, msg)?;
        Ok((storage(exec, msg, true)?, credit_phase))
    }
}

/// A frozen account keeps only the hash of its state, from here on.
fn freeze(exec: &mut ExecutorState<'_>) -> Result<(), ExecuteError> {
    if let AccountState::Active(init) = &exec.state {
        let cell = CellBuilder::build_from(init).map_err(ExecuteError::fatal)?;
        exec.state = AccountState::Frozen(*cell.repr_hash());
    }
    Ok(())
}

fn act(
    exec: &mut ExecutorState<'_>,
    received: &mut Received,
    computed: Computed,
    before: Option<StateInit>,
) -> Result<Option<Acted>, ExecuteError> {
    let ComputePhase::Executed(phase) = &computed.phase else { return Ok(None) };
    if !phase.success {
        return Ok(None);
    }
    let request = Request {
        actions: computed.actions,
        gas_fees: phase.gas_fees,
        original_balance: computed.original_balance,
        state: computed.state,
        data: computed.data,
        before,
    };
    action::run(exec, received, request).map(Some).map_err(ExecuteError::fatal)
}

fn bounce(
    exec: &mut ExecutorState<'_>,
    received: &Received,
    compute_phase: &ComputePhase,
    acted: Option<&Acted>,
) -> Result<Option<BouncePhase>, ExecuteError> {
    let computed = matches!(compute_phase, ComputePhase::Executed(phase) if phase.success);
    let wanted = !computed || acted.is_some_and(|acted| acted.bounce);
    if !received.msg.bounce_enabled || !wanted {
        return Ok(None);
    }
    let action = acted.map(|acted| &acted.phase);
    let fine = acted.map_or(0, |acted| acted.fine);
    bounce::run(exec, received, compute_phase, action, fine).map(Some).map_err(ExecuteError::fatal)
}
