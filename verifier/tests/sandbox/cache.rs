//! Compiled code on disk: only ours, only untouched, only private.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use fog_verifier::sandbox::{Allocation, Artifact, ArtifactCache, CacheError};

use super::support::{WORDCOUNT, command, job, sandbox, small};

const FINGERPRINT: [u8; 32] = [5; 32];

fn artifact(module: &[u8]) -> Artifact {
    sandbox(Allocation::OnDemand).compile(module, &small()).unwrap().unwrap()
}

fn code_file(directory: &Path) -> PathBuf {
    let mut files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    files.find(|path| path.extension().is_some_and(|e| e == "code")).unwrap()
}

#[test]
fn what_is_kept_comes_back_and_runs() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("cache");
    let artifact = artifact(WORDCOUNT);
    ArtifactCache::open(&directory).unwrap().put(&artifact, FINGERPRINT).unwrap();

    let cache = ArtifactCache::open(&directory).unwrap();
    let back = cache.get(artifact.module_hash(), &small(), FINGERPRINT).unwrap();
    let sandbox = sandbox(Allocation::OnDemand);
    let prepared = sandbox.load(&back).unwrap();
    let outcome = sandbox.execute(&prepared, job(b"fog fog")).unwrap().unwrap();
    assert_eq!(outcome.output, b"fog\t2\n");
    assert!(cache.get(artifact.module_hash(), &small(), [6; 32]).is_none(), "another engine");
    assert!(cache.get([1; 32], &small(), FINGERPRINT).is_none(), "another module");
}

#[test]
fn the_directory_is_private() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("cache");
    let cache = ArtifactCache::open(&directory).unwrap();
    cache.put(&artifact(WORDCOUNT), FINGERPRINT).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    assert_eq!(mode(&directory.join("key")), 0o600);
    assert_eq!(mode(&code_file(&directory)), 0o600);

    fs::set_permissions(&directory, fs::Permissions::from_mode(0o750)).unwrap();
    assert!(matches!(ArtifactCache::open(&directory), Err(CacheError::NotPrivate { .. })));
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(directory.join("key"), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(ArtifactCache::open(&directory), Err(CacheError::NotPrivate { .. })));

    let link = home.path().join("link");
    symlink(&directory, &link).unwrap();
    assert!(matches!(ArtifactCache::open(&link), Err(CacheError::NotPrivate { .. })));
}

#[test]
fn touched_and_foreign_code_is_never_loaded() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("cache");
    let cache = ArtifactCache::open(&directory).unwrap();
    let artifact = artifact(WORDCOUNT);
    let hash = artifact.module_hash();
    cache.put(&artifact, FINGERPRINT).unwrap();
    let path = code_file(&directory);
    let genuine = fs::read(&path).unwrap();

    let other_home = tempfile::tempdir().unwrap();
    let other = other_home.path().join("cache");
    ArtifactCache::open(&other).unwrap().put(&artifact, FINGERPRINT).unwrap();
    let foreign = fs::read(code_file(&other)).unwrap();

    let flip = |at: usize| {
        let mut bytes = genuine.clone();
        bytes[at] ^= 1;
        bytes
    };
    let attempts = [
        flip(0),
        flip(31),
        flip(32),
        flip(genuine.len() / 2),
        flip(genuine.len() - 1),
        genuine[..genuine.len() - 1].to_vec(),
        genuine[..31].to_vec(),
        Vec::new(),
        [&genuine[..], b"x"].concat(),
        foreign,
    ];
    for (n, bytes) in attempts.iter().enumerate() {
        fs::write(&path, bytes).unwrap();
        assert!(cache.get(hash, &small(), FINGERPRINT).is_none(), "attempt {n}");
        assert!(!path.exists(), "attempt {n} is removed");
    }
    fs::write(&path, &genuine).unwrap();
    assert!(cache.get(hash, &small(), FINGERPRINT).is_some());
}

#[test]
fn code_of_one_module_does_not_pass_for_another() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("cache");
    let cache = ArtifactCache::open(&directory).unwrap();
    let (good, evil) = (artifact(WORDCOUNT), artifact(&command("unreachable")));
    cache.put(&evil, FINGERPRINT).unwrap();
    let evil_bytes = fs::read(code_file(&directory)).unwrap();
    fs::remove_file(code_file(&directory)).unwrap();
    cache.put(&good, FINGERPRINT).unwrap();
    fs::write(code_file(&directory), evil_bytes).unwrap();
    assert!(cache.get(good.module_hash(), &small(), FINGERPRINT).is_none());
}
