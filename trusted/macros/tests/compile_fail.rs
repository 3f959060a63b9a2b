//! What the IDL refuses: one case per rule, each with its message.

#[test]
fn every_rule_is_enforced_with_a_message() {
    trybuild::TestCases::new().compile_fail("tests/refused/*.rs");
}
