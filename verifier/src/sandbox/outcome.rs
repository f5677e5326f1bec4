//! How a run ends, and why a module is not run at all.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What a run gave. Equal module, job and limits give an equal outcome on every host, unless
/// [`Exit::is_deterministic`] says otherwise.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
pub struct Outcome {
    /// All of stdout; empty unless the guest ended by itself (success or its own exit code).
    pub output: Vec<u8>,
    /// SHA-256 of `output`.
    pub output_hash: [u8; 32],
    /// The end of stderr, at most `Limits::stderr_bytes`. For people; never part of a verdict.
    pub stderr_tail: Vec<u8>,
    /// Fuel burnt, host calls included. A guest that hits the fuel limit, comes to the end of the
    /// native stack, or traps by anything but `unreachable`, is charged all it had: what is known of
    /// its fuel at a trap depends on the compiler.
    pub fuel_used: u64,
    /// Linear memory it had in the end, bytes; memory never shrinks.
    pub memory_bytes: u64,
    /// How it ended.
    pub exit: Exit,
}

impl Outcome {
    pub(super) fn new(exit: Exit, fuel_used: u64, memory_bytes: u64) -> Self {
        Self {
            output: Vec::new(),
            output_hash: Sha256::digest([]).into(),
            stderr_tail: Vec::new(),
            fuel_used,
            memory_bytes,
            exit,
        }
    }

    pub(super) fn with_output(self, output: Vec<u8>) -> Self {
        Self { output_hash: Sha256::digest(&output).into(), output, ..self }
    }
}

/// Output may be large and is not for logs: only its size is shown.
impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outcome")
            .field("output_bytes", &self.output.len())
            .field("output_hash", &hex::encode(self.output_hash))
            .field("stderr_bytes", &self.stderr_tail.len())
            .field("fuel_used", &self.fuel_used)
            .field("memory_bytes", &self.memory_bytes)
            .field("exit", &self.exit)
            .finish()
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
pub enum Exit {
    /// `_start` returned, or the guest exited with 0.
    Success,
    /// The guest exited with another code.
    GuestFailed {
        /// The argument of `proc_exit`.
        code: u32,
    },
    /// The guest did what WebAssembly forbids.
    Trapped {
        /// Which trap.
        kind: TrapKind,
        /// The engine's sentence for it.
        message: String,
    },
    /// A limit stopped it.
    LimitHit {
        /// Which one.
        limit: LimitKind,
        /// How far the guest got, or what it asked for when it was stopped, in the limit's unit.
        reached: u64,
        /// The limit of this run, in its unit.
        allowed: u64,
    },
}

impl Exit {
    /// Whether every honest host must come to this end. Only the wall limit is a host's own.
    #[must_use]
    pub fn is_deterministic(&self) -> bool {
        !matches!(self, Self::LimitHit { limit: LimitKind::Wall, .. })
    }
}

/// Traps a guest can cause.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
pub enum TrapKind {
    /// `unreachable` was executed (a panic or abort of the guest's language).
    Unreachable,
    /// A load, store or segment outside memory.
    MemoryOutOfBounds,
    /// A table access outside the table.
    TableOutOfBounds,
    /// `call_indirect` through an empty element.
    IndirectCallToNull,
    /// `call_indirect` with another signature.
    BadSignature,
    /// Integer overflow.
    IntegerOverflow,
    /// Division by zero.
    DivisionByZero,
    /// A float that fits no integer.
    BadConversion,
    /// Any other.
    Other,
}

/// The limits of a run.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
pub enum LimitKind {
    /// `Limits::fuel`.
    Fuel,
    /// `Limits::memory_bytes`.
    Memory,
    /// `Limits::stack_bytes`.
    Stack,
    /// `Limits::wall_ms`.
    Wall,
    /// `Limits::table_elements`.
    Table,
    /// `Limits::module_bytes`.
    Module,
    /// `Limits::input_bytes`.
    Input,
    /// `Limits::output_bytes`.
    Output,
    /// `Limits::stderr_bytes`.
    Stderr,
}

impl LimitKind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::Fuel,
        Self::Memory,
        Self::Stack,
        Self::Wall,
        Self::Table,
        Self::Module,
        Self::Input,
        Self::Output,
        Self::Stderr,
    ];

    /// What it is counted in.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::Fuel => "units",
            Self::Wall => "ms",
            Self::Table => "elements",
            Self::Memory
            | Self::Stack
            | Self::Module
            | Self::Input
            | Self::Output
            | Self::Stderr => "bytes",
        }
    }
}

/// One sentence, for people.
impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Success => f.write_str("success"),
            Self::GuestFailed { code } => write!(f, "the guest failed: exit code {code}"),
            Self::Trapped { message, .. } => write!(f, "the guest trapped: {message}"),
            Self::LimitHit { limit, reached, allowed } => {
                write!(f, "the {limit} limit was hit: {reached} of {allowed} {}", limit.unit())
            }
        }
    }
}

impl fmt::Display for LimitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fuel => "fuel",
            Self::Memory => "memory",
            Self::Stack => "stack",
            Self::Wall => "wall time",
            Self::Table => "table elements",
            Self::Module => "module size",
            Self::Input => "input size",
            Self::Output => "output size",
            Self::Stderr => "stderr size",
        })
    }
}

/// Why a module or a job is not run. Each says what is wrong; [`Refusal::cure`] says what to do.
#[derive(
    Debug,
    Clone,
    PartialEq,
    Eq,
    thiserror::Error,
    Serialize,
    Deserialize,
    BorshSerialize,
    BorshDeserialize,
)]
pub enum Refusal {
    /// The bytes don't begin like a WebAssembly binary.
    #[error("not a WebAssembly module: it does not begin with \\0asm")]
    NotWasm,
    /// WebAssembly text.
    #[error("the module is WebAssembly text, not a binary")]
    TextFormat,
    /// A component without the functions of `wit/task.wit`.
    #[error("the component is no fog:task/task: {reason}")]
    NoExecute {
        /// What is missing or has another type.
        reason: String,
    },
    /// The guest has no such function.
    #[error("the guest has no function {function}")]
    NoSuchCall {
        /// Its name.
        function: String,
    },
    /// What is to be merged is not a list of parts.
    #[error("the parts are unusable: {reason}")]
    BadParts {
        /// Why.
        reason: String,
    },
    /// Over `Limits::module_bytes`.
    #[error("the module has {bytes} bytes, at most {limit} are allowed")]
    TooLarge {
        /// Its size, bytes.
        bytes: u64,
        /// The limit, bytes.
        limit: u64,
    },
    /// Over `Limits::input_bytes`.
    #[error("the input has {bytes} bytes, at most {limit} are allowed")]
    InputTooLarge {
        /// Its size, bytes.
        bytes: u64,
        /// The limit, bytes.
        limit: u64,
    },
    /// It needs something that the sandbox does not give.
    #[error("the module imports {module}.{name}: {reason}")]
    ForbiddenImport {
        /// The import's module.
        module: String,
        /// The import's name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No `_start: () -> ()`.
    #[error("the module exports no function _start without parameters and results")]
    NoStart,
    /// The memory it starts with is over the limit.
    #[error("the module starts with {bytes} bytes of memory, at most {limit} are allowed")]
    MemoryTooBig {
        /// Bytes it starts with.
        bytes: u64,
        /// The limit, bytes.
        limit: u64,
    },
    /// A table it starts with is over the limit.
    #[error("the module starts with a table of {elements} elements, at most {limit} are allowed")]
    TableTooBig {
        /// Elements of the table.
        elements: u64,
        /// The limit.
        limit: u64,
    },
    /// More of something than is compiled.
    #[error("the module has {count} {what}, at most {limit} are allowed")]
    TooMany {
        /// Functions, tables, bytes of one function ...
        what: String,
        /// How many.
        count: u64,
        /// The limit.
        limit: u64,
    },
    /// It does not validate, or uses a proposal that is off here.
    #[error("the module is invalid: {reason}")]
    InvalidModule {
        /// The validator's words.
        reason: String,
    },
    /// A limit of the listing is over this host's.
    #[error("{limit} of {asked} is asked for, this host gives at most {host}")]
    LimitAboveHost {
        /// Which limit.
        limit: LimitKind,
        /// What the job asks for.
        asked: u64,
        /// What the host gives.
        host: u64,
    },
    /// The arguments can't be passed.
    #[error("the arguments are unusable: {reason}")]
    BadArguments {
        /// Why.
        reason: String,
    },
    /// Compiling took too long.
    #[error("compiling took longer than {limit_ms} ms")]
    CompileTimeout {
        /// The limit, milliseconds.
        limit_ms: u64,
    },
    /// Compiling took too much memory.
    #[error("compiling needs more than {limit} bytes of memory")]
    CompileMemory {
        /// The limit, bytes.
        limit: u64,
    },
    /// The compiler gave up.
    #[error("the compiler failed: {reason}")]
    CompilerFailed {
        /// Its last words.
        reason: String,
    },
}

impl Refusal {
    /// A stable name for programs, `snake_case`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotWasm => "not_wasm",
            Self::TextFormat => "text_format",
            Self::NoExecute { .. } => "no_execute",
            Self::NoSuchCall { .. } => "no_such_call",
            Self::BadParts { .. } => "bad_parts",
            Self::TooLarge { .. } => "module_too_large",
            Self::InputTooLarge { .. } => "input_too_large",
            Self::ForbiddenImport { .. } => "forbidden_import",
            Self::NoStart => "no_start",
            Self::MemoryTooBig { .. } => "memory_too_big",
            Self::TableTooBig { .. } => "table_too_big",
            Self::TooMany { .. } => "too_many",
            Self::InvalidModule { .. } => "invalid_module",
            Self::LimitAboveHost { .. } => "limit_above_host",
            Self::BadArguments { .. } => "bad_arguments",
            Self::CompileTimeout { .. } => "compile_timeout",
            Self::CompileMemory { .. } => "compile_memory",
            Self::CompilerFailed { .. } => "compiler_failed",
        }
    }

    /// What the author of the module can do about it.
    #[must_use]
    pub fn cure(&self) -> &'static str {
        match self {
            Self::NotWasm => "upload the .wasm file that your compiler wrote",
            Self::TextFormat => "assemble it first: wat2wasm FILE.wat",
            Self::NoExecute { .. } => {
                "export execute: func(input: list<u8>) -> result<list<u8>, string>, and split and \
                 merge both or neither (verifier/wit/task.wit)"
            }
            Self::NoSuchCall { .. } => "call execute, or build a component with split and merge",
            Self::BadParts { .. } => "merge at most 10000 outputs, in the order of their parts",
            Self::TooLarge { .. } => "strip it (wasm-opt -Oz --strip-debug, -Wl,--strip-all)",
            Self::InputTooLarge { .. } => "split the input into smaller tasks",
            Self::ForbiddenImport { .. } => {
                "import only wasi_snapshot_preview1 (target wasm32-wasip1), all else linked \
                 statically; a component may import WASI 0.2 without http"
            }
            Self::NoStart => "build a command with a main function, not a library or reactor",
            Self::MemoryTooBig { .. } => "lower the initial memory or raise limits.memory_bytes",
            Self::TableTooBig { .. } => "link fewer indirect functions",
            Self::TooMany { .. } => "split the program, or build it with -Oz",
            Self::InvalidModule { .. } => {
                "build for WebAssembly 2.0 without threads, relaxed SIMD, memory64, \
                 several memories, tail calls, exceptions and GC"
            }
            Self::LimitAboveHost { .. } => "lower this limit in the listing",
            Self::BadArguments { .. } => "pass at most 64 arguments of 64 KiB together, no NUL",
            Self::CompileTimeout { .. } | Self::CompileMemory { .. } => {
                "split very large functions, or build with -Oz"
            }
            Self::CompilerFailed { .. } => "build with another compiler version or optimisation",
        }
    }
}
