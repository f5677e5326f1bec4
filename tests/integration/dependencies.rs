//! What third-party code may enter: by licence, by source, by name.

use std::collections::BTreeSet;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

/// Licences that may be linked into an MIT or Apache-2.0 program.
const LICENCES: [&str; 14] = [
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "ISC",
    "Zlib",
    "0BSD",
    "CC0-1.0",
    "Unlicense",
    "Unicode-3.0",
    "CDLA-Permissive-2.0",
];

/// Named exceptions. `nacl` (LGPL, through `tonlib-core`, for mnemonics) is used unmodified; whoever
/// distributes the binary under LGPL section 4 must let its users relink it, which the source does.
const EXCEPTIONS: [(&str, &str); 1] = [("nacl", "LGPL-3.0+")];

/// Crates that need more than Rust and a C compiler to build, or that are a second copy of what
/// the product already has.
const BANNED: [&str; 5] = ["openssl-sys", "aws-lc-sys", "tonlib-client", "tonlib-sys", "rusqlite"];

/// Does an SPDX expression hold if exactly [`LICENCES`] are granted? Handles `AND`, `OR`, `/` and
/// parentheses as they occur in manifests.
fn allowed(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ");
    let expression = expression.trim();
    if let Some(inner) = expression.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'))
        && !inner.contains(['(', ')'])
    {
        return allowed(inner);
    }
    for (operator, every) in [(" OR ", false), (" AND ", true)] {
        if let Some(parts) = split_outside(expression, operator) {
            return if every {
                parts.into_iter().all(allowed)
            } else {
                parts.into_iter().any(allowed)
            };
        }
    }
    LICENCES.contains(&expression)
}

/// Splits at `operator` outside parentheses; `None` if it does not occur there.
fn split_outside<'a>(expression: &'a str, operator: &str) -> Option<Vec<&'a str>> {
    let (mut depth, mut start, mut parts) = (0i32, 0, Vec::new());
    for (at, byte) in expression.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ if depth == 0 && at >= start && expression[at..].starts_with(operator) => {
                parts.push(&expression[start..at]);
                start = at + operator.len();
            }
            _ => {}
        }
    }
    parts.push(&expression[start..]);
    (parts.len() > 1).then_some(parts)
}

/// What ends up in the binary: reachable from `fog-cli` without dependencies of tests.
fn linked(metadata: &Metadata) -> BTreeSet<PackageId> {
    let resolve = metadata.resolve.as_ref().expect("cargo resolves");
    let root = metadata.packages.iter().find(|package| package.name == "fog-cli").unwrap();
    let mut open = vec![root.id.clone()];
    let mut seen = BTreeSet::new();
    while let Some(id) = open.pop() {
        if seen.insert(id.clone()) {
            let node = resolve.nodes.iter().find(|node| node.id == id).unwrap();
            let linked = node.deps.iter().filter(|dependency| {
                dependency.dep_kinds.iter().any(|kind| kind.kind != DependencyKind::Development)
            });
            open.extend(linked.map(|dependency| dependency.pkg.clone()));
        }
    }
    seen
}

#[test]
fn licences_sources_and_names() {
    let metadata = MetadataCommand::new()
        .other_options(["--locked".to_owned()])
        .exec()
        .expect("Cargo.lock is complete");
    let mut wrong = Vec::new();
    let linked = linked(&metadata);
    for package in metadata.packages.iter().filter(|package| linked.contains(&package.id)) {
        let name = &package.name;
        match package.license.as_deref() {
            Some(licence) if allowed(licence) || EXCEPTIONS.contains(&(name.as_str(), licence)) => {
            }
            other => wrong.push(format!("{name}: licence {other:?}")),
        }
        if package.source.as_ref().is_some_and(|source| !source.is_crates_io()) {
            wrong.push(format!("{name}: not from crates.io"));
        }
        if BANNED.contains(&name.as_str()) {
            wrong.push(format!("{name}: banned"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    println!("{} packages checked", linked.len());
}

#[test]
fn expressions() {
    for good in ["MIT", "MIT OR GPL-3.0", "(MIT OR Apache-2.0) AND Unicode-3.0", "MIT/Apache-2.0"] {
        assert!(allowed(good), "{good}");
    }
    for bad in ["GPL-3.0", "MIT AND GPL-3.0", "", "(MIT OR Apache-2.0) AND GPL-3.0"] {
        assert!(!allowed(bad), "{bad}");
    }
}
