//! What a child can still ask of the kernel once it is set up: an allow-list of system calls.
//!
//! A guest that breaks out of WebAssembly stands in a process that can open no file, make no
//! socket, start no program and look into no other process. What is not on the list fails as
//! though the kernel did not have it (`ENOSYS`): libraries have fallbacks for that.

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Width, SeccompCmpOp as Op, SeccompCondition,
    SeccompFilter, SeccompRule, apply_filter_all_threads,
};

/// Whether the kernel filters what a child asks of it.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Confinement {
    /// By seccomp, all threads: no files, no network, no programs, no other process.
    Filtered,
    /// It can't: what is left are the empty environment, closed descriptors and rlimits.
    Unfiltered {
        /// The kernel's or the architecture's reason.
        reason: String,
    },
}

/// Calls that are allowed whatever their arguments: memory, threads' own affairs, time, and
/// reading or writing what is open already.
const FREE: &[libc::c_long] = &[
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_lseek,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_fcntl,
    libc::SYS_ftruncate,
    libc::SYS_memfd_create,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_clock_gettime,
    libc::SYS_gettimeofday,
    libc::SYS_restart_syscall,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_getrandom,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_set_tid_address,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Denies every other call to all threads of this process, for good. Children do it before they
/// read anything a stranger wrote.
#[must_use]
pub fn lock_down() -> Confinement {
    match filter()
        .and_then(|filter| apply_filter_all_threads(&filter).map_err(|error| error.to_string()))
    {
        Ok(()) => Confinement::Filtered,
        Err(reason) => Confinement::Unfiltered { reason },
    }
}

fn filter() -> Result<BpfProgram, String> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        FREE.iter().map(|call| (*call, Vec::new())).collect();
    let own = u64::from(std::process::id());
    let thread = libc::CLONE_THREAD as u64;
    let described = libc::AT_EMPTY_PATH as u64;
    let conditional = [
        // Threads, but no processes; `clone3` hides its flags, without it libc takes this one.
        (libc::SYS_clone, argument(0, Width::Qword, Op::MaskedEq(thread), thread)),
        // A signal to itself: how `abort` ends it.
        (libc::SYS_tgkill, argument(0, Width::Dword, Op::Eq, own)),
        // Only thread names.
        (libc::SYS_prctl, argument(0, Width::Dword, Op::Eq, libc::PR_SET_NAME as u64)),
        // Of what is open already.
        (libc::SYS_newfstatat, argument(3, Width::Dword, Op::MaskedEq(described), described)),
        (libc::SYS_statx, argument(2, Width::Dword, Op::MaskedEq(described), described)),
    ];
    for (call, condition) in conditional {
        let rule = condition.and_then(|c| SeccompRule::new(vec![c]));
        rules.insert(call, vec![rule.map_err(|error| error.to_string())?]);
    }
    let arch = std::env::consts::ARCH.try_into();
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Errno(libc::ENOSYS.cast_unsigned()),
        SeccompAction::Allow,
        arch.map_err(|error: seccompiler::BackendError| error.to_string())?,
    );
    let filter = filter.map_err(|error| error.to_string())?;
    filter.try_into().map_err(|error: seccompiler::BackendError| error.to_string())
}

fn argument(
    index: u8,
    width: Width,
    op: Op,
    value: u64,
) -> Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(index, width, op, value)
}
