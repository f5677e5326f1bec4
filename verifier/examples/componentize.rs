//! Makes a component: `componentize CORE.wasm WORLD OUT.wasm` wraps a core module that follows the
//! canonical ABI in a world of `wit/task.wit`, with WASI preview 1 adapted to 0.2;
//! `componentize COMPONENT.wat OUT.wasm` assembles one written by hand.

use std::process::ExitCode;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

const WIT: &str = include_str!("../wit/task.wit");

/// Why there is no component.
pub(crate) type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let args = std::env::args().skip(1).collect::<Vec<_>>();
    let made = match args.as_slice() {
        [text, out] => assemble(text).and_then(|bytes| write(out, &bytes)),
        [core, world, out] => wrap(core, world).and_then(|bytes| write(out, &bytes)),
        _ => Err("usage: componentize (CORE.wasm WORLD | COMPONENT.wat) OUT.wasm".into()),
    };
    match made {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("componentize: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write(path: &str, bytes: &[u8]) -> Result<(), Failure> {
    Ok(std::fs::write(path, bytes)?)
}

/// A component from its text.
pub(crate) fn assemble(path: &str) -> Result<Vec<u8>, Failure> {
    Ok(wat::parse_file(path)?)
}

/// A component from a core module.
pub(crate) fn wrap(path: &str, world: &str) -> Result<Vec<u8>, Failure> {
    let mut module = std::fs::read(path)?;
    let mut resolve = Resolve::default();
    let package = resolve.push_str("task.wit", WIT)?;
    let world = resolve.select_world(&[package], Some(world))?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)?;
    let adapter = wasi_preview1_component_adapter_provider::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER;
    let name = wasi_preview1_component_adapter_provider::WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME;
    let encoder = ComponentEncoder::default().module(&module)?.adapter(name, adapter)?;
    Ok(encoder.validate(true).encode()?)
}
