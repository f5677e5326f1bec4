//! The two operations that Rust can't check. Everything `unsafe` of the sandbox is here.
#![expect(
    unsafe_code,
    reason = "loading compiled code and closing inherited descriptors have no safe form"
)]

use std::os::unix::fs::FileExt;

use wasmtime::{Engine, Module, component::Component};

use super::artifact::{Artifact, Code};

/// Turns compiled code into a module.
///
/// # Errors
/// Wasmtime's, if the code is for another engine version or other flags.
pub(super) fn load(engine: &Engine, artifact: &Artifact) -> wasmtime::Result<Module> {
    // SAFETY: the code must come from Wasmtime's own compiler. An `Artifact` is only made by
    // `Sandbox::compile`, from an `ArtifactCache` file that carries our MAC, or in a child from
    // a frame of the parent that spawned it. No other bytes become one. A file must stay as it is
    // while it is mapped: the cache's files lie in a directory of mode 0700, are written once
    // under another name, and never again.
    match &artifact.code {
        Code::Bytes(bytes) => unsafe { Module::deserialize(engine, bytes) },
        Code::File { file, .. } => unsafe {
            Module::deserialize_open_file(engine, file.try_clone()?)
        },
    }
}

/// The same for a component. A file is read, not mapped: Wasmtime maps components by path alone,
/// and a child can open none.
///
/// # Errors
/// As [`load`], and when the file can't be read.
pub(super) fn load_component(engine: &Engine, artifact: &Artifact) -> wasmtime::Result<Component> {
    let read;
    let bytes: &[u8] = match &artifact.code {
        Code::Bytes(bytes) => bytes,
        Code::File { file, length } => {
            let mut bytes = vec![0; usize::try_from(*length)?];
            file.read_exact_at(&mut bytes, 0)?;
            read = bytes;
            &read
        }
    };
    // SAFETY: as in `load`; here the bytes are a copy that nobody changes.
    unsafe { Component::deserialize(engine, bytes) }
}

/// Closes every descriptor but stdin, stdout and stderr.
///
/// Call it first in a child, before anything owns a descriptor.
///
/// # Errors
/// When the list of descriptors can't be read.
pub(super) fn close_inherited() -> std::io::Result<()> {
    let mut open = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd")? {
        if let Some(fd) = entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) {
            open.push(fd);
        }
    }
    for fd in open.into_iter().filter(|fd| *fd > 2) {
        // The listing's own descriptor is in the list, and closed by now.
        if std::fs::symlink_metadata(format!("/proc/self/fd/{fd}")).is_err() {
            continue;
        }
        // SAFETY: the descriptor is open, and nothing in this process owns one above 2 yet.
        unsafe { rustix::io::close(fd) };
    }
    Ok(())
}
