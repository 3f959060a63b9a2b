//! Looks at an image's machine code before the image is signed.
//!
//! What the compiler makes of safe code has no need of the instructions that only a
//! kernel may use, and reaches the thread's control block (`gs:`) where a trusted
//! crate does. So whatever let something else into an image, a hole in the gate, a
//! tampered object file, or a bug of the compiler, [`check`] refuses it:
//!
//! - all that is executable is decoded from its first byte to its last, and every
//!   instruction lies in a function; between functions there is only padding;
//! - each is one of those that the compiler has to choose from ([`instruction`]);
//! - those that access the control block are known, and crossings are whole ([`gs`]);
//! - direct branches, function pointers, addresses of code and the entry point lead to
//!   where an instruction begins, and never into the middle of a crossing.
//!
//! Where an indirect branch leads to is up to the compiler. Bytes in the middle of
//! instructions are not searched for others: what jumps there has won already.

mod gs;
mod instruction;

use domain_image::{ImageError, Layout, Permissions, Segment, Symbols};
use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, OpKind};

/// Why an image's code is refused.
#[derive(Debug, thiserror::Error)]
pub enum CodeError {
    /// It is not laid out as an image is.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// An instruction is refused.
    #[error("{place}: {instruction}: {reason}")]
    Refused {
        /// Function and offset.
        place: String,
        /// Its bytes and its name.
        instruction: String,
        /// What is wrong with it.
        reason: Reason,
    },
}

/// What is wrong with an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The bytes mean nothing.
    #[error("no instruction, though all code is to be instructions")]
    Unknown,
    /// The bytes mean one thing to some processors, another to others.
    #[error("Intel's and AMD's processors read it differently")]
    Ambiguous,
    /// Only a kernel may use it.
    #[error("only a kernel may use it")]
    Privileged,
    /// It is for systems, not for what they run.
    #[error("compilers do not make it of safe code")]
    NotMade,
    /// It is none of the base set.
    #[error("not of the instruction set that images are compiled for")]
    OtherSet,
    /// It reads or writes a segment register.
    #[error("it uses a segment register")]
    SegmentRegister,
    /// It accesses the control block in another way than trusted crates.
    #[error("an access by fs or gs that no trusted crate makes")]
    ControlBlock,
    /// It is part of a crossing, which is not there.
    #[error("part of a crossing, but the rest of it is not as trusted/exchange writes it")]
    BrokenCrossing,
    /// It, or a pointer to it, leads to no instruction.
    #[error("a branch or pointer leads to {0:#x}, where no instruction begins")]
    NoTarget(u64),
    /// It, or a pointer to it, leads into a crossing.
    #[error("a branch or pointer leads to {0:#x}, into the middle of a crossing")]
    IntoCrossing(u64),
    /// No function has it.
    #[error("it lies in no function")]
    NoFunction,
}

/// Bytes of the longest instruction.
const LONGEST: usize = 15;

/// Looks at the code of an image.
///
/// # Errors
/// A [`CodeError`] for the first thing that is refused.
pub fn check(elf: &[u8]) -> Result<(), CodeError> {
    let layout = Layout::parse(elf)?;
    let symbols = Symbols::parse(elf)?;
    let mut code = Code::default();
    for segment in layout.segments() {
        if segment.permissions == Permissions::ReadExecute {
            code.add(segment, layout.segment_bytes(segment));
        }
    }
    let mut functions: Vec<(u64, u64)> = symbols.functions().collect();
    functions.sort_unstable();
    let relocations = layout.relocations();
    let pointers = relocations
        .map(|relocation| relocation.addend)
        .chain([layout.entry()])
        .chain(functions.iter().map(|(start, _)| *start))
        .collect::<Vec<u64>>();
    code.check(&functions, &pointers)
        .map_err(|(address, reason)| code.refusal(&symbols, address, reason))
}

/// Decoded code.
#[derive(Default)]
struct Code<'a> {
    /// Ascending by address.
    instructions: Vec<Instruction>,
    /// Where each segment lies, and its bytes.
    segments: Vec<(u64, &'a [u8])>,
    /// The first thing that cannot be decoded.
    bad: Option<(u64, Reason)>,
}

impl<'a> Code<'a> {
    fn add(&mut self, segment: &Segment, bytes: &'a [u8]) {
        self.segments.push((segment.address, bytes));
        let decoder =
            |options: u32| Decoder::with_ip(64, bytes, segment.address, options).into_iter();
        let (intel, amd) = (decoder(DecoderOptions::NONE), decoder(DecoderOptions::AMD));
        for (instruction, other) in intel.zip(amd) {
            if instruction.is_invalid() {
                self.bad.get_or_insert((instruction.ip(), Reason::Unknown));
                return;
            }
            self.instructions.push(instruction);
            if instruction != other || instruction.len() != other.len() {
                self.bad
                    .get_or_insert((instruction.ip(), Reason::Ambiguous));
                return;
            }
        }
        if segment.file_size != segment.memory_size {
            let address = segment.address + segment.file_size;
            self.bad.get_or_insert((address, Reason::Unknown));
        }
    }

    /// Checks everything; `functions` ascend by their start, `pointers` are addresses
    /// that something may jump to, if they lie in code.
    fn check(&self, functions: &[(u64, u64)], pointers: &[u64]) -> Result<(), (u64, Reason)> {
        let mut functions = functions.iter().peekable();
        let mut function = (0, 0);
        for instruction in &self.instructions {
            let refuse = |reason| (instruction.ip(), reason);
            instruction::check(instruction).map_err(refuse)?;
            while let Some(next) = functions.next_if(|next| next.0 <= instruction.ip()) {
                function = (next.0, function.1.max(next.0 + next.1));
            }
            if instruction.next_ip() > function.1 && instruction.mnemonic() != Mnemonic::Int3 {
                return Err(refuse(Reason::NoFunction));
            }
        }
        if let Some(bad) = self.bad {
            return Err(bad);
        }
        let crossings = gs::check(&self.instructions, |address| self.bytes(address))?;
        self.check_targets(&crossings)?;
        for pointer in pointers {
            if self.is_code(*pointer) {
                self.check_target(*pointer, &crossings)
                    .map_err(|reason| (*pointer, reason))?;
            }
        }
        Ok(())
    }

    /// Checks where branches lead, and which code instructions take the address of.
    fn check_targets(&self, crossings: &[gs::Crossing]) -> Result<(), (u64, Reason)> {
        for instruction in &self.instructions {
            let is_branch = instruction
                .op_kinds()
                .any(|kind| kind == OpKind::NearBranch64);
            let target = if is_branch {
                instruction.near_branch_target()
            } else if instruction.is_ip_rel_memory_operand() {
                instruction.ip_rel_memory_address()
            } else {
                continue;
            };
            if is_branch || self.is_code(target) {
                self.check_target(target, crossings)
                    .map_err(|reason| (instruction.ip(), reason))?;
            }
        }
        Ok(())
    }

    fn check_target(&self, target: u64, crossings: &[gs::Crossing]) -> Result<(), Reason> {
        let by_address = |instruction: &Instruction| instruction.ip().cmp(&target);
        if self.instructions.binary_search_by(by_address).is_err() {
            return Err(Reason::NoTarget(target));
        }
        let before = crossings.partition_point(|crossing| crossing.start < target);
        match before.checked_sub(1).and_then(|last| crossings.get(last)) {
            Some(crossing) if target < crossing.end => Err(Reason::IntoCrossing(target)),
            _ => Ok(()),
        }
    }

    fn is_code(&self, address: u64) -> bool {
        !self.bytes(address).is_empty()
    }

    /// The code from an address on.
    fn bytes(&self, address: u64) -> &'a [u8] {
        let rest = |(start, bytes): &(u64, &'a [u8])| {
            let offset = usize::try_from(address.checked_sub(*start)?).ok()?;
            bytes.get(offset..)
        };
        self.segments.iter().find_map(rest).unwrap_or_default()
    }

    fn refusal(&self, symbols: &Symbols<'_>, address: u64, reason: Reason) -> CodeError {
        let place = symbols
            .name_of(address)
            .map_or_else(|| format!("{address:#x}"), |name| name.to_string());
        let by_address = |instruction: &Instruction| instruction.ip().cmp(&address);
        let found = self.instructions.binary_search_by(by_address).ok();
        let found = found.and_then(|index| self.instructions.get(index));
        let name = found.map(|found| format!(" ({:?})", found.mnemonic()).to_lowercase());
        let length = found.map_or(LONGEST, Instruction::len);
        let bytes = self.bytes(address).iter().take(length);
        let bytes: Vec<String> = bytes.map(|byte| format!("{byte:02x}")).collect();
        CodeError::Refused {
            place,
            instruction: bytes.join(" ") + &name.unwrap_or_default(),
            reason,
        }
    }
}

#[cfg(test)]
mod tests;
