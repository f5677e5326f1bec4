//! Figures that tests come to, for people: `scripts/test` shows them at its end, and a test that is
//! run with `--nocapture` prints them itself.

use std::{
    fmt::Display,
    fs::OpenOptions,
    io::{self, Write as _},
    path::Path,
};

/// Tells one line of the figures called `$name`; the rest is as for [`println!`].
#[macro_export]
macro_rules! figure {
    ($name:expr, $($line:tt)+) => {
        $crate::tell($name, ::std::format_args!($($line)+))
    };
}

/// Prints a line, and adds it to the file `name` in the directory that `TEST_FIGURES` names, if it
/// names one.
///
/// # Panics
/// If there is such a directory and it cannot be written to: figures that were asked for and are
/// missing fail their test.
#[expect(clippy::print_stdout, reason = "for tests, and people")]
pub fn tell(name: &str, line: impl Display) {
    println!("{line}");
    let Some(folder) = std::env::var_os("TEST_FIGURES") else { return };
    if let Err(error) = keep(folder.as_ref(), name, line) {
        panic!("the figures of {name}: {error}");
    }
}

/// In one write: the threads of a test may tell at the same time.
fn keep(folder: &Path, name: &str, line: impl Display) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(folder.join(name))?;
    file.write_all(format!("{line}\n").as_bytes())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::keep;

    #[test]
    fn lines_are_kept_by_name_in_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        keep(folder.path(), "cells", format_args!("{} cells", 3)).unwrap();
        keep(folder.path(), "orders", "720 orders").unwrap();
        keep(folder.path(), "cells", "2 allowed").unwrap();
        assert_eq!(
            (read("cells"), read("orders")),
            ("3 cells\n2 allowed\n".into(), "720 orders\n".into())
        );
        assert!(keep(&folder.path().join("missing"), "cells", "lost").is_err());
    }
}
