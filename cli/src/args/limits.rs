//! What a program may use.

use clap::Args;
use fog_protocol::ResourceLimits;

/// The defaults are those of a listing; of stack and tables they are the most that it may name.
#[derive(Debug, Args)]
pub(crate) struct LimitArgs {
    /// Most fuel the program may use.
    #[arg(long, default_value_t = ResourceLimits::default().fuel, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) fuel: u64,
    /// Most memory the program may use, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = ResourceLimits::default().memory_bytes >> 20, value_parser = clap::value_parser!(u64).range(1..=4096))]
    pub(crate) memory: u64,
    /// The largest result it may give, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = ResourceLimits::default().output_bytes >> 20, value_parser = clap::value_parser!(u64).range(1..=64))]
    pub(crate) max_output: u64,
    /// How much stack it has, in KiB: 32 bytes a call, 8 for each parameter, local and operand.
    #[arg(long, value_name = "KIB", default_value_t = ResourceLimits::default().stack_bytes >> 10, value_parser = clap::value_parser!(u32).range(16..=1024))]
    pub(crate) stack: u32,
    /// Most elements each of its tables may have.
    #[arg(long, value_name = "ELEMENTS", default_value_t = ResourceLimits::default().table_elements, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub(crate) table: u32,
}

impl LimitArgs {
    /// As a listing names them.
    pub(crate) fn limits(&self) -> ResourceLimits {
        ResourceLimits {
            fuel: self.fuel,
            memory_bytes: self.memory << 20,
            output_bytes: self.max_output << 20,
            stack_bytes: self.stack << 10,
            table_elements: self.table,
        }
    }
}
