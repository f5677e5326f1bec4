//! What works without any network: `fog run`, `fog proof verify`, wallets.

use std::process::Stdio;

use serde_json::json;

use crate::fog::{file, fog, json, run};

fn run_module(module: &[u8], more: &[&str]) -> (i32, serde_json::Value) {
    let home = tempfile::tempdir().unwrap();
    let (path, input) = (home.path().join("m.wasm"), home.path().join("in"));
    std::fs::write(&path, module).unwrap();
    std::fs::write(&input, b"one two two").unwrap();
    let mut command = fog(home.path());
    command.args(["run", "--json", "--module"]).arg(&path).arg("--input").arg(&input).args(more);
    let output = run(&mut command);
    (output.status.code().unwrap(), json(&output))
}

fn wordcount() -> Vec<u8> {
    std::fs::read(file("cli/guests/wordcount.wasm")).unwrap()
}

#[test]
fn a_module_runs_twice_alike() {
    let (code, first) = run_module(&wordcount(), &[]);
    assert_eq!((code, &first["outcome"]), (0, &json!("success")));
    assert_eq!(run_module(&wordcount(), &[]).1, first);
    // `one\t1\ntwo\t2\n`
    assert_eq!(first["output_bytes"], 12);
}

/// A component cuts a text, each part is run as a task would run it, and the outputs are merged.
#[test]
fn a_component_splits_executes_and_merges() {
    let home = tempfile::tempdir().unwrap();
    let (text, parts, outs) =
        (home.path().join("text"), home.path().join("parts"), home.path().join("outs"));
    std::fs::write(&text, b"one two three two three three ".repeat(40)).unwrap();
    std::fs::create_dir(&outs).unwrap();
    let words = file("cli/guests/words.wasm");
    let fog_run = |args: &[&std::ffi::OsStr]| {
        let mut command = fog(home.path());
        command.args(["run", "--json", "--module"]).arg(&words).args(args);
        let output = run(&mut command);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        json(&output)
    };
    let os = std::ffi::OsStr::new;
    let split = fog_run(&[
        os("--input"),
        text.as_os_str(),
        os("--split"),
        os("4"),
        os("--out"),
        parts.as_os_str(),
    ]);
    assert_eq!(split["parts"], 4, "{split}");
    for part in std::fs::read_dir(&parts).unwrap() {
        let part = part.unwrap();
        let out = outs.join(part.file_name());
        fog_run(&[os("--input"), part.path().as_os_str(), os("--out"), out.as_os_str()]);
    }
    let merged = home.path().join("merged");
    fog_run(&[os("--input"), outs.as_os_str(), os("--merge"), os("--out"), merged.as_os_str()]);
    assert_eq!(std::fs::read(&merged).unwrap(), b"one\t40\nthree\t120\ntwo\t80\n");
    let mut command = fog(home.path());
    command.args(["run", "--json", "--merge", "--module"]).arg(&words).arg("--input").arg(&text);
    assert_eq!(run(&mut command).status.code(), Some(1), "a file is no folder");
}

#[test]
fn a_limit_is_named_and_exits_3() {
    let (code, report) = run_module(&wordcount(), &["--fuel", "1000"]);
    assert_eq!(
        (code, &report["outcome"], &report["limit"]),
        (3, &json!("limit_hit"), &json!("fuel"))
    );
    assert_eq!(
        (&report["reached"], &report["allowed"], &report["unit"]),
        (&json!(1000), &json!(1000), &json!("units"))
    );
}

#[test]
fn a_refused_module_says_why_and_exits_4() {
    let bad_import = {
        // (module (import "env" "steal" (func)) (func (export "_start")))
        let mut module = b"\0asm\x01\0\0\0".to_vec();
        module.extend_from_slice(b"\x01\x04\x01\x60\x00\x00");
        module.extend_from_slice(b"\x02\x0d\x01\x03env\x05steal\x00\x00");
        module.extend_from_slice(b"\x03\x02\x01\x00");
        module.extend_from_slice(b"\x07\x0a\x01\x06_start\x00\x01");
        module.extend_from_slice(b"\x0a\x04\x01\x02\x00\x0b");
        module
    };
    for module in [b"not wasm".to_vec(), Vec::new(), wordcount()[..100].to_vec(), bad_import] {
        let (code, report) = run_module(&module, &[]);
        assert_eq!((code, &report["outcome"]), (4, &json!("refused")), "{report}");
        for field in ["code", "cause", "cure"] {
            assert!(report[field].as_str().is_some_and(|text| !text.is_empty()), "{report}");
        }
    }
}

#[test]
fn a_missing_file_is_an_error_with_its_name() {
    let home = tempfile::tempdir().unwrap();
    let output = run(fog(home.path()).args(["run", "--module", "gone.wasm", "--input", "gone"]));
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("gone.wasm"));
}

fn verify(proof: &[u8], public: &[u8]) -> (i32, serde_json::Value) {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("proof.json"), proof).unwrap();
    std::fs::write(home.path().join("public.json"), public).unwrap();
    let mut command = fog(home.path());
    command.args(["proof", "verify", "--json", "--key"]).arg(vector("vk.json"));
    command.args(["--proof", "proof.json", "--public", "public.json"]);
    let output = run(&mut command);
    (output.status.code().unwrap(), json(&output))
}

fn vector(name: &str) -> std::path::PathBuf {
    file("verifier/tests/vectors/groth16").join(format!("preimage.{name}"))
}

#[test]
fn proofs_are_valid_not_valid_or_malformed() {
    let proof = std::fs::read(vector("proof.json")).unwrap();
    let public = std::fs::read(vector("public.json")).unwrap();
    assert_eq!(verify(&proof, &public).0, 0);
    let mut inputs: Vec<String> = serde_json::from_slice(&public).unwrap();
    inputs[0] = "7".to_owned();
    let (code, report) = verify(&proof, &serde_json::to_vec(&inputs).unwrap());
    assert_eq!((code, &report["outcome"]), (1, &json!("not_valid")));
    inputs.push("7".to_owned());
    for (proof, public) in [
        (proof.clone(), serde_json::to_vec(&inputs).unwrap()),
        (b"{}".to_vec(), public.clone()),
        (proof[..proof.len() / 2].to_vec(), public.clone()),
        (vec![b'['; 60_000], public),
    ] {
        let (code, report) = verify(&proof, &public);
        assert_eq!((code, &report["outcome"]), (2, &json!("malformed")), "{report}");
    }
}

#[test]
fn wallets_are_encrypted_and_their_words_stay_out_of_pipes() {
    let home = tempfile::tempdir().unwrap();
    let wallet = |args: &[&str]| {
        run(fog(home.path()).env("FOG_PASSWORD", "correct horse").arg("wallet").args(args))
    };
    let made = wallet(&["new", "main", "--json"]);
    assert_eq!(made.status.code(), Some(0));
    let address = json(&made)["address"].as_str().unwrap().to_owned();
    let words = wallet(&["words"]);
    let words = String::from_utf8(words.stdout).unwrap();
    assert_eq!(words.split_whitespace().count(), 24);
    let first: Vec<_> = words.split_whitespace().take(3).collect();
    for stream in [&made.stdout, &made.stderr] {
        assert!(!String::from_utf8_lossy(stream).contains(&first.join(" ")));
    }
    for entry in std::fs::read_dir(home.path().join(".config/fog/keys")).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains(&first.join(" ")));
    }
    let mut again = fog(home.path());
    again.env("FOG_PASSWORD", "correct horse").args(["wallet", "import", "copy", "--json"]);
    let mut child =
        again.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), words.as_bytes()).unwrap();
    let copied = child.wait_with_output().unwrap();
    assert_eq!(json(&copied)["address"].as_str(), Some(address.as_str()));
    let wrong = run(fog(home.path())
        .env("FOG_PASSWORD", "wrong horse!")
        .args(["wallet", "words", "--wallet", "main"]));
    assert_eq!(wrong.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("wrong password"));
}

/// The binding of `circuits/tests/data/score.proof`, computed by another program:
/// `SHA-256(context, SHA-256(input), SHA-256(0, 16, result)) >> 2`.
const SCORE_PUBLIC: &str =
    "[\"21842894144758483970464724900421117527658738403346596946653575004695679611734\"]";

/// A circuit's proof over BLS12-381, in the bytes arkworks writes.
#[test]
fn a_proof_over_the_contracts_curve_is_checked() {
    let home = tempfile::tempdir().unwrap();
    let public = home.path().join("public");
    let verify = |inputs: &[u8]| {
        std::fs::write(&public, inputs).unwrap();
        let output = run(fog(home.path())
            .args(["proof", "verify", "--json", "--key"])
            .arg(file("circuits/keys/score.local.vk"))
            .arg("--proof")
            .arg(file("circuits/tests/data/score.proof"))
            .arg("--public")
            .arg(&public));
        (output.status.code().unwrap(), json(&output))
    };
    let (code, report) = verify(SCORE_PUBLIC.as_bytes());
    assert_eq!((code, &report["curve"]), (0, &"bls12-381".into()), "{report:#}");
    assert_eq!(verify(b"[\"1\"]").0, 1);
    assert_eq!(verify(b"[\"1\",\"2\"]").0, 2);
    assert_eq!(verify(&[1, 0, 0]).0, 2);
}

/// Receipts that SP1's and RISC Zero's own provers made.
#[test]
fn a_receipt_of_another_provers_making_is_checked() {
    let home = tempfile::tempdir().unwrap();
    let receipts = std::fs::read(file("verifier/tests/vectors/groth16/receipts.json")).unwrap();
    let receipts: Vec<serde_json::Value> = serde_json::from_slice(&receipts).unwrap();
    for receipt in receipts {
        let text = |name: &str| receipt[name].as_str().unwrap().to_owned();
        let journal = hex::decode(text("journal")).unwrap();
        std::fs::write(home.path().join("seal"), format!("0x{}\n", text("seal"))).unwrap();
        let program = format!("0x{}", text("program"));
        for (bytes, code, outcome) in
            [(journal.clone(), 0, "valid"), ([&journal[..], b"!"].concat(), 1, "not_valid")]
        {
            std::fs::write(home.path().join("journal"), bytes).unwrap();
            let mut command = fog(home.path());
            command.args(["proof", "receipt", "--json", "--vm", &text("vm"), "--program"]);
            let output = run(command.args([&program, "--journal", "journal", "--seal", "seal"]));
            assert_eq!(output.status.code(), Some(code), "{}", text("vm"));
            assert_eq!(json(&output)["outcome"], outcome, "{}", text("vm"));
        }
    }
}
