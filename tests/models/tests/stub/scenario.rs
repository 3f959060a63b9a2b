//! The text that is executed, and where in memory things lie.

use models::abi::thread::{CONTINUATION_ROOM, CrossStatus, generation_of, offset};
use models::assembly::Program;

/// Where things lie.
pub const CONTROL: u64 = 0x1000_0000;
const SLOTS: u64 = 0x2000_0000;
const SLOT_BYTES: u64 = 64;
const TABLES: u64 = 0x3000_0000;
const TABLE_BYTES: u64 = 8;
pub const INTERVAL: u64 = 0x5000_0000;
pub const COUNTERS: u64 = 0x6000_0000;
/// From a counter to its interval's end.
const ENDS: u64 = 8;
pub const STACK: u64 = 0x7000_1000;
pub const STACK_LIMIT: u64 = 0x7000_0000;

/// The kernel, which never dies; whom it calls; and whom that one calls.
pub const KERNEL: usize = 0;
pub const A: usize = 1;
pub const B: usize = 2;
pub const DOMAINS: usize = 3;

/// The life of its slot that each domain has at first.
pub const FIRST_LIFE: u64 = generation_of(FIRST_COUNT, 0);
pub const FIRST_COUNT: u32 = 1;

/// What `touch` says beside the number of a domain: the kernel's functions.
pub const CAME_BACK: u64 = 100;
pub const UNWIND_FURTHER: u64 = 101;
/// A call did not start, so nobody looked whether its caller lives.
pub const WENT_ON: u64 = 102;
/// A loop was executed once more.
pub const LOOPED: u64 = 103;

/// What is executed, and what happens meanwhile.
#[derive(Clone)]
pub struct Scenario {
    /// The stub, and what calls it.
    pub stub: String,
    pub call: String,
    /// The methods of the domains, from `a_method` on.
    pub methods: &'static str,
    /// Who dies, in this order, and whether each is looked after before the next.
    pub killed: &'static [usize],
    pub looks_after_each: bool,
    /// Whether an interrupt that disturbed nothing comes again soon; else much later.
    pub comes_again: bool,
    /// Whether one inside the stub disturbs nothing.
    pub spares_stub: bool,
    pub is_timed: bool,
    /// Whether the kernel's call moves exchange objects.
    pub moves: bool,
}

impl Scenario {
    pub fn new(methods: &'static str, killed: &'static [usize]) -> Self {
        Self {
            stub: include_str!("../../../../kernel/core/src/crossing.s").to_owned(),
            call: models::abi::call_stub!("qword ptr gs:[{stub}]").to_owned(),
            methods,
            killed,
            looks_after_each: true,
            comes_again: true,
            spares_stub: true,
            is_timed: false,
            moves: false,
        }
    }

    /// With a piece of the text exchanged, which must be there.
    pub fn changed(mut self, from: &str, to: &str) -> Self {
        let text = if self.stub.contains(from) {
            &mut self.stub
        } else {
            &mut self.call
        };
        assert!(text.contains(from), "no longer there: {from}");
        *text = text.replace(from, to);
        self
    }

    pub fn assemble(&self) -> Program {
        let call = |callee: usize| {
            let (slot, table) = (slot_of(callee), table_of(callee));
            format!(
                "mov rax, {slot}
                mov r10, {FIRST_LIFE}
                mov rdx, {table}
                mov r11, 0
                mov r14, 0
                {}
                test r12d, r12d
                jz 9f
                # As `look_at` in trusted/exchange: what did not start left nothing.
                cmp rdx, {}
                je 8f
                call came_back
                jmp 9f
                8:
                touch {WENT_ON}
                9:",
                self.call,
                CrossStatus::NotStarted.outcome(),
            )
        };
        let text = format!(
            "{}
            start:
            {}
            halt
            {}
            came_back:
            touch {CAME_BACK}
            ret
            unwind_further:
            touch {UNWIND_FURTHER}
            sampled:
            ret",
            self.stub,
            call(A),
            self.methods.replace("cross b", &call(B)),
        );
        Program::new(&text, &names())
    }
}

/// What the text has names for.
fn names() -> Vec<(&'static str, String)> {
    let number = |name, value: usize| (name, value.to_string());
    let status = |name, status: CrossStatus| (name, status.outcome().to_string());
    vec![
        number("live", offset::SLOT_LIVE),
        number("current", offset::CURRENT),
        number("chain", offset::CHAIN),
        number("preempt_off", offset::PREEMPT_OFF),
        number("kernel_depth", offset::KERNEL_DEPTH),
        number("work_pending", offset::WORK_PENDING),
        number("counters", offset::COUNTERS),
        number("stub", offset::CROSS),
        number("room", CONTINUATION_ROOM),
        number("previous", offset::PREVIOUS),
        number("caller", offset::CALLER),
        number("callee", offset::CALLEE),
        number("kept_rbx", offset::KEPT_RBX),
        number("kept_rbp", offset::KEPT_RBP),
        status("not_started", CrossStatus::NotStarted),
        status("no_stack", CrossStatus::NoStack),
        status("died", CrossStatus::Died),
        ("interval", INTERVAL.to_string()),
        ("ends", ENDS.to_string()),
        ("sampled", "sampled".to_owned()),
        ("unwind_further", "unwind_further".to_owned()),
    ]
}

pub const fn slot_of(domain: usize) -> u64 {
    SLOTS + domain as u64 * SLOT_BYTES
}

pub const fn table_of(domain: usize) -> u64 {
    TABLES + domain as u64 * TABLE_BYTES
}

/// The domain whose slot lies at an address.
pub fn domain_of_slot(address: u64) -> Option<usize> {
    domain_at(address, SLOTS, SLOT_BYTES)
}

/// The domain whose table lies at an address.
pub fn domain_of_table(address: u64) -> Option<usize> {
    domain_at(address, TABLES, TABLE_BYTES)
}

/// The domain that something of `size` bytes each lies in, from `start` on.
fn domain_at(address: u64, start: u64, size: u64) -> Option<usize> {
    let index = usize::try_from(address.checked_sub(start)? / size).ok()?;
    (index < DOMAINS).then_some(index)
}
