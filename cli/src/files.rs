//! Reading what the user names, and writing what the user asked for.

use std::{
    fs::File,
    io::{Read, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};

use crate::output::usage;

/// Makes a folder, or takes an empty one, and gives its path such that it holds anywhere.
pub(crate) fn empty_folder(path: &Path) -> anyhow::Result<PathBuf> {
    let shown = path.display();
    std::fs::create_dir_all(path).with_context(|| format!("cannot create {shown}"))?;
    if std::fs::read_dir(path)?.next().is_some() {
        return Err(usage(format!("{shown} is not empty: this starts from nothing")));
    }
    Ok(path.canonicalize()?)
}

/// Reads a file of at most `max` bytes, without trusting its stated size.
pub(crate) fn read(path: &Path, max: u64) -> anyhow::Result<Vec<u8>> {
    let shown = path.display();
    let file = File::open(path).with_context(|| format!("cannot open {shown}"))?;
    if file.metadata().is_ok_and(|data| data.is_dir()) {
        bail!("{shown} is a folder, a file is needed");
    }
    let mut bytes = Vec::new();
    file.take(max + 1).read_to_end(&mut bytes).with_context(|| format!("cannot read {shown}"))?;
    if bytes.len() as u64 > max {
        bail!("{shown} is larger than {} MiB, the most that is accepted", max >> 20);
    }
    Ok(bytes)
}

/// Writes a file whole or not at all: into a temporary one beside it, then renamed.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let shown = path.display();
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    let mut file = tempfile::NamedTempFile::new_in(folder)
        .with_context(|| format!("cannot write into {}", folder.display()))?;
    file.write_all(bytes).with_context(|| format!("cannot write {shown}"))?;
    file.persist(path).with_context(|| format!("cannot write {shown}"))?;
    Ok(())
}

/// Adds to the end of a file.
pub(crate) fn append(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let shown = path.display();
    let mut file =
        File::options().append(true).open(path).with_context(|| format!("cannot open {shown}"))?;
    file.write_all(bytes).with_context(|| format!("cannot write {shown}"))?;
    file.sync_data().with_context(|| format!("cannot write {shown}"))
}
