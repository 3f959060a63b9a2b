//! What executes the instructions.

use super::program::{Instruction, Operand, Program, Register};

/// What a processor reads and writes.
pub trait Memory {
    /// Reads 4 or 8 bytes.
    fn load(&mut self, address: u64, bytes: u32) -> u64;
    /// Writes 4 or 8 bytes.
    fn store(&mut self, address: u64, bytes: u32, value: u64);
    /// The code of a domain does something with what is that domain's: the operand of
    /// the made-up instruction `touch`.
    fn touch(&mut self, what: u64);
}

/// Registers and flags.
#[derive(Clone, Debug)]
pub struct Processor {
    /// By their numbers in machine code: rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8….
    pub registers: [u64; 16],
    /// Address of the next instruction.
    pub rip: u64,
    /// Base of `gs`.
    pub gs: u64,
    zero: bool,
    carry: bool,
}

/// Number of `rax`.
const RAX: usize = 0;
/// Number of `rdx`.
const RDX: usize = 2;
/// Number of the stack pointer.
pub(super) const RSP: usize = 4;

impl Processor {
    /// About to execute what is at `rip`.
    #[must_use]
    pub const fn new(rip: u64, rsp: u64, gs: u64) -> Self {
        let mut registers = [0; 16];
        registers[RSP] = rsp;
        Self {
            registers,
            rip,
            gs,
            zero: false,
            carry: false,
        }
    }

    /// Executes one instruction; false at the made-up `halt`.
    ///
    /// # Panics
    /// When it is not known here, or `ud2`.
    pub fn step(&mut self, program: &Program, memory: &mut impl Memory) -> bool {
        let instruction = program.at(self.rip);
        self.rip += 1;
        match instruction.operands.as_slice() {
            [] => return self.without_operands(instruction, memory),
            [one] => self.with_one(instruction, one, memory),
            [to, from] => self.with_two(instruction, to, from, memory),
            _ => panic!("not known: {}", instruction.text),
        }
        true
    }

    fn without_operands(&mut self, instruction: &Instruction, memory: &mut impl Memory) -> bool {
        match instruction.name.as_str() {
            "ret" => self.rip = self.pop(memory),
            // What time it is makes no difference here.
            "rdtsc" => (self.registers[RAX], self.registers[RDX]) = (1, 0),
            // No floating point here.
            "cld" | "fninit" => {}
            "halt" => return false,
            _ => panic!("not known: {}", instruction.text),
        }
        true
    }

    fn with_one(&mut self, instruction: &Instruction, one: &Operand, memory: &mut impl Memory) {
        match instruction.name.as_str() {
            "push" => {
                let value = self.read(one, memory);
                self.push(value, memory);
            }
            "pop" => {
                let value = self.pop(memory);
                self.write(one, value, memory);
            }
            "call" => {
                let to = self.read(one, memory);
                self.push(self.rip, memory);
                self.rip = to;
            }
            "jmp" => self.rip = self.read(one, memory),
            "je" | "jz" => self.jump_if(self.zero, one, memory),
            "jne" | "jnz" => self.jump_if(!self.zero, one, memory),
            "jb" => self.jump_if(self.carry, one, memory),
            "inc" => {
                let value = self.read(one, memory).wrapping_add(1);
                self.write(one, value, memory);
                self.zero = value == 0;
            }
            "neg" => {
                let value = self.read(one, memory).wrapping_neg();
                self.write(one, value, memory);
                self.zero = value == 0;
            }
            "touch" => {
                let what = self.read(one, memory);
                memory.touch(what);
            }
            "ldmxcsr" => {}
            _ => panic!("not known: {}", instruction.text),
        }
    }

    fn with_two(
        &mut self,
        instruction: &Instruction,
        to: &Operand,
        from: &Operand,
        memory: &mut impl Memory,
    ) {
        let name = instruction.name.as_str();
        if name == "lea" {
            let address = self.address_of(from);
            return self.write(to, address, memory);
        }
        let value = self.read(from, memory);
        if name == "mov" {
            return self.write(to, value, memory);
        }
        let old = self.read(to, memory);
        let mask = mask(to);
        let carried = u64::from(name == "adc" && self.carry);
        let (result, carry) = match name {
            "cmp" | "sub" => (old.wrapping_sub(value), old < value),
            "add" | "adc" => {
                let sum = u128::from(old) + u128::from(value) + u128::from(carried);
                let low = old.wrapping_add(value).wrapping_add(carried);
                (low, sum > u128::from(mask))
            }
            "test" | "and" => (old & value, false),
            "or" => (old | value, false),
            "shl" => (old << value, false),
            _ => panic!("not known: {}", instruction.text),
        };
        self.zero = result & mask == 0;
        self.carry = carry;
        if !matches!(name, "cmp" | "test") {
            self.write(to, result & mask, memory);
        }
    }

    fn jump_if(&mut self, condition: bool, to: &Operand, memory: &mut impl Memory) {
        if condition {
            self.rip = self.read(to, memory);
        }
    }

    fn push(&mut self, value: u64, memory: &mut impl Memory) {
        self.registers[RSP] -= 8;
        memory.store(self.registers[RSP], 8, value);
    }

    fn pop(&mut self, memory: &mut impl Memory) -> u64 {
        let value = memory.load(self.registers[RSP], 8);
        self.registers[RSP] += 8;
        value
    }

    fn value(&self, register: Register) -> u64 {
        let value = self.registers[register.number];
        match register.bytes {
            4 => value & u64::from(u32::MAX),
            _ => value,
        }
    }

    fn address(&self, is_in_gs: bool, registers: &[Register], offset: u64) -> u64 {
        let base = if is_in_gs { self.gs } else { 0 };
        registers
            .iter()
            .fold(base.wrapping_add(offset), |sum, register| {
                sum.wrapping_add(self.value(*register))
            })
    }

    /// The address that an operand in memory has.
    fn address_of(&self, operand: &Operand) -> u64 {
        match operand {
            Operand::Memory {
                is_in_gs: false,
                registers,
                offset,
                ..
            } => self.address(false, registers, *offset),
            _ => panic!("no address"),
        }
    }

    fn read(&self, operand: &Operand, memory: &mut impl Memory) -> u64 {
        match operand {
            Operand::Register(register) => self.value(*register),
            Operand::Immediate(value) => *value,
            Operand::Memory {
                is_in_gs,
                registers,
                offset,
                bytes,
            } => memory.load(self.address(*is_in_gs, registers, *offset), *bytes),
        }
    }

    fn write(&mut self, operand: &Operand, value: u64, memory: &mut impl Memory) {
        match operand {
            // The upper half of a register is cleared with the lower one written
            // (SDM vol. 1, 3.4.1.1).
            Operand::Register(Register { number, .. }) => {
                self.registers[*number] = value & mask(operand);
            }
            Operand::Memory {
                is_in_gs,
                registers,
                offset,
                bytes,
            } => memory.store(self.address(*is_in_gs, registers, *offset), *bytes, value),
            Operand::Immediate(_) => panic!("a number is no place"),
        }
    }
}

/// The bits that an operand has.
const fn mask(operand: &Operand) -> u64 {
    match operand {
        Operand::Register(Register { bytes: 4, .. }) | Operand::Memory { bytes: 4, .. } => {
            0xffff_ffff
        }
        _ => u64::MAX,
    }
}
