//! From text to instructions.

use std::collections::HashMap;

/// Address of the first instruction; each takes one byte.
pub const CODE: u64 = 0x4000_0000;

/// A register by its number in machine code, and how many bytes of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Register {
    pub(super) number: usize,
    pub(super) bytes: u32,
}

/// What an instruction works on.
#[derive(Clone, Debug)]
pub(super) enum Operand {
    Register(Register),
    Immediate(u64),
    /// The sum of registers, of some the low half, and a number, relative to `gs` or
    /// not.
    Memory {
        is_in_gs: bool,
        registers: Vec<Register>,
        offset: u64,
        bytes: u32,
    },
}

#[derive(Clone, Debug)]
pub(super) struct Instruction {
    pub(super) name: String,
    pub(super) operands: Vec<Operand>,
    /// For messages.
    pub(super) text: String,
}

/// Assembled text.
#[derive(Debug)]
pub struct Program {
    pub(super) instructions: Vec<Instruction>,
    labels: HashMap<String, u64>,
}

/// A label that may be defined more than once: `1:`, for `1b` and `1f`.
struct LocalLabel {
    name: String,
    address: u64,
}

/// A macro's parameter, if it has one, and its lines.
struct Macro {
    parameter: Option<String>,
    lines: Vec<String>,
}

impl Program {
    /// Assembles text in which `{name}` stands for what `names` says.
    ///
    /// # Panics
    /// When the text has something in it that is not known here.
    #[must_use]
    pub fn new(text: &str, names: &[(&str, String)]) -> Self {
        let mut text = text.to_owned();
        for (name, value) in names {
            text = text.replace(&format!("{{{name}}}"), value);
        }
        let mut labels = HashMap::new();
        let mut local = Vec::new();
        let mut lines = Vec::new();
        for line in expand(&text) {
            let address = CODE + lines.len() as u64;
            match line.strip_suffix(':') {
                Some(name) if name.chars().all(|digit| digit.is_ascii_digit()) => {
                    let name = name.to_owned();
                    local.push(LocalLabel { name, address });
                }
                Some(name) => {
                    let before = labels.insert(name.to_owned(), address);
                    assert!(before.is_none(), "{name} is defined twice");
                }
                None => lines.push(line),
            }
        }
        let resolve = |name: &str, here| find_label(&labels, &local, name, here);
        let instructions = lines
            .iter()
            .zip(CODE..)
            .map(|(line, here)| parse_instruction(line, &|name| resolve(name, here)))
            .collect();
        Self {
            instructions,
            labels,
        }
    }

    /// Address of a label.
    ///
    /// # Panics
    /// When there is none of that name.
    #[must_use]
    pub fn address_of(&self, label: &str) -> u64 {
        *self
            .labels
            .get(label)
            .unwrap_or_else(|| panic!("no label {label}"))
    }

    /// Name of the instruction at an address.
    #[must_use]
    pub fn name_at(&self, address: u64) -> &str {
        &self.at(address).name
    }

    pub(super) fn at(&self, address: u64) -> &Instruction {
        address
            .checked_sub(CODE)
            .and_then(|index| self.instructions.get(usize::try_from(index).ok()?))
            .unwrap_or_else(|| panic!("no code at {address:#x}"))
    }
}

/// The lines that are labels or instructions, each apart, macros replaced by what
/// they stand for.
fn expand(text: &str) -> Vec<String> {
    let mut macros: HashMap<String, Macro> = HashMap::new();
    let mut expanded = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if let Some(head) = line.strip_prefix(".macro ") {
            let (name, parameter) = head.split_once(' ').unwrap_or((head, ""));
            let parameter = parameter.split(':').next().filter(|name| !name.is_empty());
            let body = lines.by_ref().take_while(|line| line.trim() != ".endm");
            let definition = Macro {
                parameter: parameter.map(str::to_owned),
                lines: body.map(str::to_owned).collect(),
            };
            macros.insert(name.to_owned(), definition);
        } else {
            expand_line(&macros, line, &mut expanded);
        }
    }
    expanded
}

fn expand_line(macros: &HashMap<String, Macro>, line: &str, expanded: &mut Vec<String>) {
    let line = line.split('#').next().unwrap_or_default().trim();
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let is_label = line.ends_with(':');
    if let Some(definition) = macros.get(word) {
        for line in &definition.lines {
            let line = match &definition.parameter {
                Some(name) => line.replace(&format!("\\{name}"), rest),
                None => line.clone(),
            };
            expand_line(macros, &line, expanded);
        }
    } else if is_label || !(line.is_empty() || line.starts_with('.')) {
        expanded.push(line.to_owned());
    }
}

fn find_label(
    labels: &HashMap<String, u64>,
    local: &[LocalLabel],
    name: &str,
    here: u64,
) -> Option<u64> {
    if let Some(address) = labels.get(name) {
        return Some(*address);
    }
    let (number, direction) = name.split_at(name.len().checked_sub(1)?);
    let mut named = local.iter().filter(|label| label.name == number);
    let found = match direction {
        "f" => named.find(|label| label.address > here),
        "b" => named.rfind(|label| label.address <= here),
        _ => None,
    };
    found.map(|label| label.address)
}

fn parse_instruction(line: &str, label: &dyn Fn(&str) -> Option<u64>) -> Instruction {
    let (name, operands) = line.split_once(' ').unwrap_or((line, ""));
    let operands = operands
        .split(',')
        .map(str::trim)
        .filter(|operand| !operand.is_empty())
        .map(|operand| parse_operand(operand, label).unwrap_or_else(|| panic!("not known: {line}")))
        .collect();
    Instruction {
        name: name.to_owned(),
        operands,
        text: line.to_owned(),
    }
}

fn parse_operand(text: &str, label: &dyn Fn(&str) -> Option<u64>) -> Option<Operand> {
    if let Some(register) = register(text) {
        return Some(Operand::Register(register));
    }
    let (bytes, place) = match text.split_once(" ptr ") {
        Some(("qword", place)) => (8, place),
        Some(("dword", place)) => (4, place),
        Some(_) => return None,
        // Of `lea`, which does not look there.
        None if text.starts_with('[') => (8, text),
        None => return Some(Operand::Immediate(label(text).or_else(|| sum(text))?)),
    };
    let is_in_gs = place.starts_with("gs:");
    let place = place.strip_prefix("gs:").unwrap_or(place);
    let inside = place.strip_prefix('[')?.strip_suffix(']')?;
    let inside = inside.replace("- ", "+ -");
    let terms: Vec<&str> = inside.split('+').map(str::trim).collect();
    // Addresses are absolute here, so what is relative to `rip` has it as 0.
    let is_register = |term: &&&str| **term == "rip" || register(term).is_some();
    let registers = terms.iter().filter(is_register);
    let numbers = terms.iter().filter(|term| !is_register(term));
    let offset = total(numbers.map(|term| number(term)))?;
    Some(Operand::Memory {
        is_in_gs,
        registers: registers.filter_map(|term| register(term)).collect(),
        offset,
        bytes,
    })
}

/// Numbers, added and subtracted.
fn sum(text: &str) -> Option<u64> {
    let text = text.replace("- ", "+ -");
    total(text.split('+').map(|term| number(term.trim())))
}

fn total(mut numbers: impl Iterator<Item = Option<u64>>) -> Option<u64> {
    numbers.try_fold(0_u64, |sum, number| Some(sum.wrapping_add(number?)))
}

fn number(text: &str) -> Option<u64> {
    let (digits, is_negative) = match text.strip_prefix('-') {
        Some(digits) => (digits, true),
        None => (text, false),
    };
    let value = match digits.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok()?,
        None => digits.parse().ok()?,
    };
    Some(if is_negative {
        value.wrapping_neg()
    } else {
        value
    })
}

fn register(text: &str) -> Option<Register> {
    const OLD: [&str; 8] = ["ax", "cx", "dx", "bx", "sp", "bp", "si", "di"];
    let (bytes, old) = match text.split_at_checked(1)? {
        ("r", old) => (8, old),
        ("e", old) => (4, old),
        _ => return None,
    };
    if let Some(number) = OLD.iter().position(|name| *name == old) {
        return Some(Register { number, bytes });
    }
    let new = text.strip_prefix('r')?;
    let (digits, bytes) = match new.strip_suffix('d') {
        Some(digits) => (digits, 4),
        None => (new, 8),
    };
    let number = digits.parse().ok().filter(|n| (8..16).contains(n))?;
    Some(Register { number, bytes })
}
