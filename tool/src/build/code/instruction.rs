//! Which instructions an image may have.
//!
//! Those of the base set that compilers make of programs: for every one the
//! processor's manual says which set it is of, and of the sets that images are
//! compiled for only what [`is_not_made`] lists is for systems.

use iced_x86::{CpuidFeature, FlowControl, Instruction, Mnemonic, OpKind, Register};

use super::Reason;

/// The sets that x86-64 processors have had from the first on and that compilers use
/// unless told otherwise. Neither x87 nor MMX, whose state nobody saves for a domain.
const SETS: [CpuidFeature; 12] = [
    CpuidFeature::INTEL8086,
    CpuidFeature::INTEL186,
    CpuidFeature::INTEL286,
    CpuidFeature::INTEL386,
    CpuidFeature::INTEL486,
    CpuidFeature::X64,
    CpuidFeature::CMOV,
    CpuidFeature::CX8,
    CpuidFeature::MULTIBYTENOP,
    CpuidFeature::PAUSE,
    CpuidFeature::SSE,
    CpuidFeature::SSE2,
];

/// Instructions of later sets: `rdtsc` is `runtime::time::cycles`; `tzcnt` is what
/// compilers write for `bsf`, since older processors read it so.
const MORE: [Mnemonic; 2] = [Mnemonic::Rdtsc, Mnemonic::Tzcnt];

/// Checks one instruction by itself.
pub fn check(instruction: &Instruction) -> Result<(), Reason> {
    let mnemonic = instruction.mnemonic();
    if instruction.is_privileged() {
        return Err(Reason::Privileged);
    }
    if is_not_made(mnemonic) || changes_flow_otherwise(instruction) {
        return Err(Reason::NotMade);
    }
    let registers = (0..instruction.op_count())
        .filter(|operand| instruction.op_kind(*operand) == OpKind::Register)
        .map(|operand| instruction.op_register(operand));
    for register in registers {
        if register.is_segment_register() {
            return Err(Reason::SegmentRegister);
        }
        if register.is_cr() || register.is_dr() || register.is_tr() {
            return Err(Reason::Privileged);
        }
        if register.is_mm() || register.is_st() {
            return Err(Reason::OtherSet);
        }
    }
    let sets = instruction.cpuid_features();
    if !MORE.contains(&mnemonic) && !sets.iter().all(|set| SETS.contains(set)) {
        return Err(Reason::OtherSet);
    }
    Ok(())
}

/// What is of these sets, may be used without privilege, and is for systems all the
/// same: it enters a kernel, changes or tells what belongs to one, or (`std`,
/// `ldmxcsr`) changes what compiled code takes for granted. In ring 0, `popf` and
/// `iret` switch interrupts off.
fn is_not_made(mnemonic: Mnemonic) -> bool {
    use Mnemonic as M;
    matches!(
        mnemonic,
        M::Int
            | M::Int1
            | M::Into
            | M::Bound
            | M::Iret
            | M::Iretd
            | M::Iretq
            | M::Syscall
            | M::Sysenter
            | M::Sysret
            | M::Sysretq
            | M::Sysexit
            | M::Sysexitq
            | M::Retf
            | M::Pushf
            | M::Pushfd
            | M::Pushfq
            | M::Popf
            | M::Popfd
            | M::Popfq
            | M::Std
            | M::Lds
            | M::Les
            | M::Lfs
            | M::Lgs
            | M::Lss
            | M::Arpl
            | M::Lar
            | M::Lsl
            | M::Verr
            | M::Verw
            | M::Sgdt
            | M::Sidt
            | M::Sldt
            | M::Smsw
            | M::Str
            | M::Ldmxcsr
            | M::Stmxcsr
            | M::Enter
            | M::Maskmovq
            | M::Maskmovdqu
    )
}

/// Far branches, and what else goes on elsewhere without being a near one. `int3` is
/// padding, and `ud2` what the compiler thinks is never reached: both end the domain.
fn changes_flow_otherwise(instruction: &Instruction) -> bool {
    match instruction.flow_control() {
        FlowControl::Interrupt => instruction.mnemonic() != Mnemonic::Int3,
        FlowControl::Exception => instruction.mnemonic() != Mnemonic::Ud2,
        FlowControl::XbeginXabortXend => true,
        _ => {
            instruction.is_jmp_far()
                || instruction.is_jmp_far_indirect()
                || instruction.is_call_far()
                || instruction.is_call_far_indirect()
                || instruction.memory_base() == Register::EIP
        }
    }
}
