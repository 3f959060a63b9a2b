//! The crossing stub's own instructions, against the death of whom it enters.
//!
//! A CPU executes the text of the stub and of what calls it, instruction by
//! instruction, while another kills a domain, asks who holds it, and reclaims it. An
//! interrupt may come before each instruction. Whose memory is reclaimed is never
//! touched again, and the thread always comes back to who called.
#![forbid(unsafe_code)]

mod caller;
mod machine;
mod scenario;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use loom::sync::Arc;
use loom::thread;
use models::abi::thread::CrossStatus;

use crate::caller::Caller;
use crate::machine::Machine;
use crate::scenario::{A, B, Scenario};

/// Runs a scenario in every interleaving; all that came of it.
fn outcomes(scenario: &Scenario) -> Vec<CrossStatus> {
    let seen = std::sync::Arc::new(Mutex::new(Vec::new()));
    let program = std::sync::Arc::new(scenario.assemble());
    let (scenario, all) = (scenario.clone(), std::sync::Arc::clone(&seen));
    models::check(move || {
        let machine = Arc::new(Machine::new());
        let reaper = {
            let machine = Arc::clone(&machine);
            let (killed, each) = (scenario.killed, scenario.looks_after_each);
            thread::spawn(move || {
                for which in killed {
                    machine.kill(*which);
                    if each {
                        machine.reap(&[*which]);
                    }
                }
                if !each {
                    machine.reap(killed);
                }
            })
        };
        let outcome = Caller::new(&scenario, &program, &machine).run();
        reaper.join().unwrap();
        let mut all = all.lock().unwrap();
        if !all.contains(&outcome) {
            all.push(outcome);
        }
    });
    seen.lock().unwrap().clone()
}

/// One crossing.
const ONE: &str = "
    a_method:
    push rbx
    mov rbx, 7
    touch 1
    pop rbx
    mov rdx, 0
    ret";

/// A crossing in a crossing; the compiler keeps `r12` and `r13` for who asks it to.
const NESTED: &str = "
    a_method:
    push r12
    push r13
    touch 1
    cross b
    touch 1
    pop r13
    pop r12
    mov rdx, 0
    ret
    b_method:
    touch 2
    mov rdx, 0
    ret";

/// What moves exchange objects starts undisturbed.
const MOVING: &str = "
    a_method:
    touch 1
    mov dword ptr gs:[{preempt_off}], 0
    touch 1
    mov rdx, 0
    ret";

/// A method that never ends.
const ENDLESS: &str = "
    a_method:
    touch 1
    touch 103
    jmp a_method";

const ALL: [CrossStatus; 3] = [
    CrossStatus::Done,
    CrossStatus::NotStarted,
    CrossStatus::Died,
];

fn assert_seen(scenario: &Scenario, expected: &[CrossStatus]) {
    let seen = outcomes(scenario);
    for status in ALL {
        assert_eq!(
            seen.contains(&status),
            expected.contains(&status),
            "{status:?}"
        );
    }
}

/// That the model sees what is wrong.
fn assert_fails(scenario: &Scenario) {
    let result = catch_unwind(AssertUnwindSafe(|| outcomes(scenario)));
    assert!(result.is_err(), "the model saw nothing wrong");
}

#[test]
fn a_callee_dies_at_any_instruction_of_a_call() {
    assert_seen(&Scenario::new(ONE, &[A]), &ALL);
}

#[test]
fn a_callee_dies_at_any_instruction_of_a_timed_call() {
    let mut scenario = Scenario::new(ONE, &[A]);
    scenario.is_timed = true;
    assert_seen(&scenario, &ALL);
}

#[test]
fn a_callee_dies_at_any_instruction_of_a_call_that_moves_objects() {
    let mut scenario = Scenario::new(MOVING, &[A]);
    scenario.moves = true;
    assert_seen(&scenario, &ALL);
}

#[test]
fn an_interrupt_that_was_put_off_comes_too_late() {
    let mut scenario = Scenario::new(ONE, &[A]);
    scenario.comes_again = false;
    assert_seen(&scenario, &ALL);
}

#[test]
fn who_never_returns_is_brought_out() {
    let scenario = Scenario::new(ENDLESS, &[A]);
    assert_seen(&scenario, &[CrossStatus::NotStarted, CrossStatus::Died]);
}

#[test]
fn a_callee_of_a_callee_dies() {
    assert_seen(&Scenario::new(NESTED, &[B]), &[CrossStatus::Done]);
}

#[test]
fn a_caller_dies_while_its_callee_works() {
    assert_seen(&Scenario::new(NESTED, &[A]), &ALL);
}

#[test]
fn caller_and_callee_die_one_after_the_other() {
    assert_seen(&Scenario::new(NESTED, &[A, B]), &ALL);
    assert_seen(&Scenario::new(NESTED, &[B, A]), &ALL);
}

#[test]
fn caller_and_callee_die_before_the_next_look() {
    let mut scenario = Scenario::new(NESTED, &[A, B]);
    scenario.looks_after_each = false;
    assert_seen(&scenario, &ALL);
}

#[test]
fn the_model_sees_an_interrupt_that_does_not_spare_the_stub() {
    let mut scenario = Scenario::new(ONE, &[A]);
    scenario.spares_stub = false;
    assert_fails(&scenario);
}

#[test]
fn the_model_sees_a_stub_that_does_not_look_whether_the_callee_lives() {
    assert_fails(&Scenario::new(ONE, &[A]).changed("jne .Lredleaf_not_started", ""));
}

#[test]
fn the_model_sees_a_chain_that_is_shortened_before_the_callee_is_left() {
    let current = "mov qword ptr gs:[{current}], r13";
    let chain = "mov qword ptr gs:[{chain}], r12";
    let scenario = Scenario::new(ONE, &[A]);
    let swapped = scenario
        .call
        .replace(current, "X")
        .replace(chain, current)
        .replace('X', chain);
    assert_ne!(swapped, scenario.call);
    assert_fails(&Scenario {
        call: swapped,
        ..scenario
    });
}

#[test]
fn the_model_sees_a_continuation_that_does_not_name_the_caller() {
    assert_fails(
        &Scenario::new(NESTED, &[A]).changed("[rsp + {caller}], r13", "[rsp + {caller}], rax"),
    );
}

#[test]
fn the_model_sees_a_caller_that_does_not_look_whether_it_lives() {
    let scenario = Scenario::new(NESTED, &[A]);
    assert_fails(&scenario.changed("adc r12d, edx", "add r12d, edx"));
}

#[test]
fn the_model_sees_an_unwinder_that_forgets_a_register() {
    let scenario = Scenario::new(ONE, &[A]);
    assert_fails(&scenario.changed("mov rbx, qword ptr [rsp + {kept_rbx}]", ""));
}
