//! How images access the thread's control block.
//!
//! At `gs:0` lies [`abi::thread::ThreadControl`]: where the kernel's services, the
//! crossing stubs and the current domain are. Trusted crates access it by assembly,
//! whose every form is listed here (trusted/exchange/src/thread.rs, crossing.rs).

use abi::thread::{CONTINUATION_ROOM, ThreadControl, offset};
use iced_x86::{Code, Instruction, OpKind, Register};

use super::Reason;

/// Addresses that one crossing takes up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crossing {
    /// Of its first instruction; the only one that may be jumped to.
    pub start: u64,
    /// After its last one.
    pub end: u64,
}

/// `ThreadControl::thread`.
const NUMBER: usize = core::mem::offset_of!(ThreadControl, thread);

/// Accesses outside of crossings: what is done, and to which field.
const KNOWN: [(Code, usize); 9] = [
    // The block's own address: trusted/breach, in attacks.
    (
        Code::Mov_r64_rm64,
        core::mem::offset_of!(ThreadControl, this),
    ),
    (Code::Mov_r64_rm64, offset::SERVICES),
    (Code::Mov_r64_rm64, offset::CURRENT),
    (Code::Mov_r64_rm64, offset::CHAIN),
    (Code::Mov_r64_rm64, offset::TOP_CALL_LIMIT),
    (Code::Mov_r32_rm32, NUMBER),
    (Code::Mov_r32_rm32, offset::WORK_PENDING),
    (Code::Mov_rm32_imm32, offset::PREEMPT_OFF),
    (Code::Call_rm64, offset::CAME_BACK),
];

/// Bytes of the first instruction of a crossing, before the call of the stub.
const MAKE_ROOM: u64 = 5;

/// The bytes of `abi::call_stub`: assembly, so they are the same each time.
pub fn crossing(stub: usize) -> Vec<u8> {
    let field = |offset: usize| {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "fields of one small struct"
        )]
        let offset = offset as u32;
        offset.to_le_bytes()
    };
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a signed byte, by the assembler's choice"
    )]
    let (room, live) = (CONTINUATION_ROOM as u8, offset::SLOT_LIVE as u8);
    [
        // lea rsp, [rsp - room]
        &[0x48, 0x8d, 0x64, 0x24, room.wrapping_neg()][..],
        // call gs:[stub]
        &[0x65, 0xff, 0x14, 0x25],
        &field(stub),
        // mov gs:[current], r13
        &[0x65, 0x4c, 0x89, 0x2c, 0x25],
        &field(offset::CURRENT),
        // mov gs:[chain], r12
        &[0x65, 0x4c, 0x89, 0x24, 0x25],
        &field(offset::CHAIN),
        // mov r12d, gs:[work_pending]
        &[0x65, 0x44, 0x8b, 0x24, 0x25],
        &field(offset::WORK_PENDING),
        // cmp qword ptr [r13 + live], 1
        &[0x49, 0x83, 0x7d, live, 0x01],
        // adc r12d, edx
        &[0x41, 0x11, 0xd4],
        // lea rsp, [rsp + room]
        &[0x48, 0x8d, 0x64, 0x24, room],
    ]
    .concat()
}

/// Checks every access by `gs` or `fs`; `bytes` has the code from an address on.
/// Returns the crossings, ascending.
pub fn check<'a>(
    instructions: &[Instruction],
    bytes: impl Fn(u64) -> &'a [u8],
) -> Result<Vec<Crossing>, (u64, Reason)> {
    let stubs = [offset::CROSS, offset::CROSS_MOVING].map(|stub| (stub, crossing(stub)));
    let mut crossings: Vec<Crossing> = Vec::new();
    for (index, instruction) in instructions.iter().enumerate() {
        let segment = instruction.segment_prefix();
        if !matches!(segment, Register::FS | Register::GS) {
            continue;
        }
        let ip = instruction.ip();
        if crossings.last().is_some_and(|crossing| ip < crossing.end) {
            continue;
        }
        let field = field(instruction).ok_or((ip, Reason::ControlBlock))?;
        let stub = stubs.iter().find(|(stub, _)| *stub == field);
        let Some((_, expected)) = stub else {
            check_alone(instruction, field).map_err(|reason| (ip, reason))?;
            continue;
        };
        let start = ip.wrapping_sub(MAKE_ROOM);
        let previous = index
            .checked_sub(1)
            .and_then(|index| instructions.get(index));
        let begins = previous.is_some_and(|previous| previous.ip() == start);
        if !begins || !bytes(start).starts_with(expected) {
            return Err((ip, Reason::BrokenCrossing));
        }
        let end = start + expected.len() as u64;
        crossings.push(Crossing { start, end });
    }
    Ok(crossings)
}

/// The field that `gs:[field]` is, without any register.
fn field(instruction: &Instruction) -> Option<usize> {
    let is_field = instruction.segment_prefix() == Register::GS
        && instruction.op_kinds().any(|kind| kind == OpKind::Memory)
        && instruction.memory_base() == Register::None
        && instruction.memory_index() == Register::None
        && !instruction.has_lock_prefix();
    let field = usize::try_from(instruction.memory_displacement64()).ok()?;
    is_field.then_some(field)
}

/// Checks an access outside of crossings.
fn check_alone(instruction: &Instruction, field: usize) -> Result<(), Reason> {
    if !KNOWN.contains(&(instruction.code(), field)) {
        let in_crossings = [
            (Code::Mov_rm64_r64, offset::CURRENT),
            (Code::Mov_rm64_r64, offset::CHAIN),
        ];
        return Err(if in_crossings.contains(&(instruction.code(), field)) {
            Reason::BrokenCrossing
        } else {
            Reason::ControlBlock
        });
    }
    if instruction.code() == Code::Mov_rm32_imm32 && instruction.immediate32() > 1 {
        return Err(Reason::ControlBlock);
    }
    Ok(())
}
