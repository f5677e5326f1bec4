//! What a process that runs guests can't do, and what it never holds.

use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom, Write},
    net::{TcpListener, TcpStream, UdpSocket},
    os::unix::{
        ffi::OsStrExt,
        net::{UnixListener, UnixStream},
    },
    process::{Command, Stdio},
    thread,
};

use fog_verifier::sandbox::process::{Confinement, RunnerPool, lock_down};

use super::{
    process::{alone, config},
    support::{WORDCOUNT, command, job},
};

/// Not a test: locks itself down like a sandbox process, then tries what such a process must not
/// be able to do, and says what came of it on stdout.
#[test]
#[ignore = "run as a process of its own by the test below"]
fn locked_down_attempts() {
    let parent = rustix::process::getppid().unwrap();
    let confinement = lock_down();
    println!("confinement={confinement:?}");
    let tried: [(&str, std::io::Result<()>); 14] = [
        ("read a file", File::open("/etc/passwd").map(drop)),
        ("read its own memory map", fs::read("/proc/self/maps").map(drop)),
        ("look into another process", File::open("/proc/1/mem").map(drop)),
        ("write a file", File::create("/tmp/fog-sandbox-escape").map(drop)),
        ("list a directory", fs::read_dir("/").map(drop)),
        ("look at a path", fs::metadata("/etc/passwd").map(drop)),
        ("remove a file", fs::remove_file("/tmp/fog-sandbox-escape")),
        ("connect", TcpStream::connect("127.0.0.1:9").map(drop)),
        ("listen", TcpListener::bind("127.0.0.1:0").map(drop)),
        ("send a datagram", UdpSocket::bind("127.0.0.1:0").map(drop)),
        ("talk to a local socket", UnixStream::connect("/nowhere").map(drop)),
        ("offer a local socket", UnixListener::bind("/tmp/fog-sandbox-socket").map(drop)),
        ("start a program", Command::new("/bin/true").status().map(drop)),
        ("signal its parent", rustix::process::test_kill_process(parent).map_err(Into::into)),
    ];
    for (what, result) in tried {
        let code = result.err().and_then(|error| error.raw_os_error());
        println!("tried={what}:{code:?}");
    }
    // What guests need goes on as before.
    thread::spawn(|| println!("thread=fine")).join().unwrap();
    println!("memory={}", vec![1u8; 64 << 20].len());
}

#[test]
fn a_locked_process_opens_connects_and_starts_nothing() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "locked::locked_down_attempts", "--nocapture"])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    if text.contains("Unfiltered") {
        println!("this kernel has no seccomp: {text}");
        return;
    }
    assert!(text.contains("confinement=Filtered"), "{text}");
    let tried = text.lines().filter_map(|line| line.split_once("tried=")).collect::<Vec<_>>();
    assert_eq!(tried.len(), 14, "{text}");
    for (_, attempt) in tried {
        // ENOSYS.
        assert!(attempt.ends_with(":Some(38)"), "{attempt}");
    }
    assert!(text.contains("thread=fine") && text.contains("memory=67108864"), "{text}");
    assert!(!std::path::Path::new("/tmp/fog-sandbox-escape").exists());
}

#[test]
fn every_thread_of_a_sandbox_process_is_filtered() {
    let _alone = alone();
    let pool = RunnerPool::start(config()).unwrap();
    if let Confinement::Unfiltered { reason } = pool.confinement() {
        println!("this kernel has no seccomp: {reason}");
        return;
    }
    pool.run(WORDCOUNT, job(b"x")).unwrap().unwrap();
    let child = pool.idle_children()[0];
    let mut threads = 0;
    for task in fs::read_dir(format!("/proc/{child}/task")).unwrap() {
        let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        assert!(status.contains("Seccomp:\t2"), "{status}");
        threads += 1;
    }
    assert!(threads >= 2, "main and server: {threads}");
}

/// A secret as a node holds them: 32 random bytes. Made anew in each run, so that no file of the
/// program can hold it.
fn secret() -> [u8; 32] {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

fn holds(hay: &[u8], needle: &[u8]) -> bool {
    memchr::memmem::find(hay, needle).is_some()
}

/// Everything that can be read of a process's memory; an error where the system forbids it.
fn memory_of(pid: u32, mut seen: impl FnMut(&[u8])) -> std::io::Result<u64> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let mut memory = File::open(format!("/proc/{pid}/mem"))?;
    let mut total = 0;
    let mut piece = vec![0; 1 << 20];
    for line in maps.lines() {
        let (range, rest) = line.split_once(' ').unwrap();
        // Program text from files, and pages nobody can read, hold nothing of ours.
        if !rest.starts_with('r') || line.ends_with("[vvar]") || line.ends_with("[vsyscall]") {
            continue;
        }
        let (from, to) = range.split_once('-').unwrap();
        let mut at = u64::from_str_radix(from, 16).unwrap();
        let to = u64::from_str_radix(to, 16).unwrap();
        while at < to {
            let length = piece.len().min((to - at) as usize);
            memory.seek(SeekFrom::Start(at)).unwrap();
            match memory.read(&mut piece[..length]) {
                Ok(0) | Err(_) => break,
                Ok(read) => {
                    seen(&piece[..read]);
                    total += read as u64;
                    // Pieces overlap, so that nothing hides on their border.
                    let step = if read > 64 && at + (read as u64) < to { read - 64 } else { read };
                    at += step as u64;
                }
            }
        }
    }
    Ok(total)
}

/// What is wrong with a search that saw nothing: it shows nothing, so the test must not pass.
const BLIND: &str = "the memory of the sandbox process cannot be read, so nothing is shown about it. \
    Run this test as the user who owns the process, with ptrace allowed to a parent \
    (kernel.yama.ptrace_scope 0 or 1) and /proc mounted without hidepid; in a container, with \
    CAP_SYS_PTRACE";

/// Says everything a guest can see: arguments, environment, clock, random numbers, all memory.
fn tell_all() -> Vec<u8> {
    command(
        "(drop (call $args_sizes (i32.const 1024) (i32.const 1028)))
         (drop (call $args (i32.const 2048) (i32.const 4096)))
         (drop (call $clock (i32.const 0) (i64.const 0) (i32.const 1032)))
         (drop (call $random (i32.const 8192) (i32.const 1024)))
         (call $put (i32.const 0) (i32.const 65536))",
    )
}

/// The secret is where a node has its own: in memory, in an open file, in a file on disk, in the
/// environment of the parent. None of it reaches the child, while and after it runs guests.
#[test]
fn a_secret_of_the_parent_is_nowhere_in_a_process_that_runs_guests() {
    let _alone = alone();
    let secret = secret();
    let text = hex::encode(secret);
    let forms = [secret.to_vec(), text.clone().into_bytes()];
    let mut keystore = tempfile::NamedTempFile::new().unwrap();
    keystore.write_all(&secret).unwrap();
    keystore.write_all(text.as_bytes()).unwrap();

    // A parent with the secret in its environment: this program again, as its own child.
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "locked::parent_with_a_secret", "--nocapture"])
        .env("FOG_PASSPHRASE", &text)
        .env("FOG_TEST_KEYSTORE", keystore.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("the child holds no secret"), "{said}");
    assert!(forms.iter().all(|form| !holds(&output.stderr, form)));
}

/// Not a test: the parent of the test above.
#[test]
#[ignore = "run as a process of its own by the test above"]
fn parent_with_a_secret() {
    let text = std::env::var("FOG_PASSPHRASE").unwrap();
    let secret = hex::decode(&text).unwrap();
    let keystore = std::env::var("FOG_TEST_KEYSTORE").unwrap();
    let open = File::open(&keystore).unwrap();
    rustix::io::fcntl_setfd(&open, rustix::io::FdFlags::empty()).unwrap();
    let forms = [secret.clone(), text.clone().into_bytes()];
    let found = |bytes: &[u8]| forms.iter().any(|form| holds(bytes, form));

    // The search finds what is there: the parent itself.
    let mut in_parent = false;
    memory_of(std::process::id(), |piece| in_parent |= found(piece)).unwrap();
    assert!(in_parent, "the search finds nothing");
    assert!(found(&fs::read("/proc/self/environ").unwrap()));

    let pool = RunnerPool::start(config()).unwrap();
    let mut scanned = 0;
    for _ in 0..3 {
        let outcome = pool.run(&tell_all(), job(b"in")).unwrap().unwrap();
        assert_eq!(outcome.output.len(), 65536, "{outcome:?}");
        assert!(!found(&outcome.output) && !found(&outcome.stderr_tail), "the guest sees it");
        let child = pool.idle_children()[0];
        for file in ["environ", "cmdline", "comm"] {
            let bytes = fs::read(format!("/proc/{child}/{file}")).unwrap();
            assert!(!found(&bytes), "{file}");
        }
        for entry in fs::read_dir(format!("/proc/{child}/fd")).unwrap() {
            let target = fs::read_link(entry.unwrap().path()).unwrap();
            assert_ne!(target.as_os_str().as_bytes(), keystore.as_bytes());
        }
        let mut leaked = false;
        let read = memory_of(child, |piece| leaked |= found(piece));
        let read = read.unwrap_or_else(|error| panic!("{error}: {BLIND}"));
        // A process that has just run a guest holds at least that guest's memory, one page.
        assert!(read >= 65_536, "{read} bytes: {BLIND}");
        assert!(!leaked, "the child's memory holds it");
        scanned += read;
    }
    println!("the child holds no secret: {scanned} bytes of its memory read");
    drop(open);
}
