//! What must not compile: money for what was not verified.

#[test]
fn an_unverified_result_cannot_become_payable() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
