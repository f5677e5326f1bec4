//! Processes of the built program.

use std::path::Path;

use tokio::process::Command;

/// What a local network's processes take over: how much is logged, and where circuits' keys lie.
const KEPT: [&str; 2] = ["FOG_LOG", "FOG_CIRCUITS"];

/// The program, without the caller's own `FOG_*` settings: they are meant for its own node and wallet,
/// and would turn a local network's processes to other gateways and keys.
pub(crate) fn process(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"FOG_") && KEPT.iter().all(|kept| name != *kept) {
            command.env_remove(name);
        }
    }
    command
}
