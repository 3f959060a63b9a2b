//! Names of addresses, for backtraces.

use core::fmt;

use elf::abi;
use elf::endian::LittleEndian;
use elf::string_table::StringTable;
use elf::symbol::SymbolTable;
use rustc_demangle::Demangle;

use crate::ImageError;
use crate::layout::parse_any_header;

/// The symbol table of an image, or of the kernel.
#[derive(Clone, Debug)]
pub struct Symbols<'a> {
    table: Option<(SymbolTable<'a, LittleEndian>, StringTable<'a>)>,
}

/// Name of the function an address lies in; `Display` shows it demangled.
pub struct SymbolName<'a> {
    name: Demangle<'a>,
    /// Bytes from the start of the function.
    pub offset: u64,
}

impl<'a> Symbols<'a> {
    /// Finds the symbol table of an ELF file; a stripped file has no symbols. A
    /// kernel at a fixed address will do too.
    ///
    /// # Errors
    /// [`ImageError::NotElf`] if the file's tables lead nowhere.
    pub fn parse(elf: &'a [u8]) -> Result<Self, ImageError> {
        let table = parse_any_header(elf)?
            .symbol_table()
            .map_err(|_| ImageError::NotElf)?;
        Ok(Self { table })
    }

    /// Start and size of every function.
    pub fn functions(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let table = self.table.iter().flat_map(|(symbols, _)| symbols.iter());
        table
            .filter(|symbol| symbol.st_symtype() == abi::STT_FUNC)
            .filter(|symbol| !symbol.is_undefined())
            .map(|symbol| (symbol.st_value, symbol.st_size))
    }

    /// The function that `address`, counted from the start of the image, lies in.
    ///
    /// Looks at every symbol: it is called for a handful of addresses when a
    /// domain has died.
    #[must_use]
    pub fn name_of(&self, address: u64) -> Option<SymbolName<'a>> {
        let (symbols, names) = self.table.as_ref()?;
        let symbol = symbols
            .iter()
            .filter(|symbol| symbol.st_symtype() == abi::STT_FUNC)
            .filter(|symbol| symbol.st_value <= address)
            .filter(|symbol| address - symbol.st_value < symbol.st_size.max(1))
            .max_by_key(|symbol| symbol.st_value)?;
        let name = usize::try_from(symbol.st_name).ok()?;
        Some(SymbolName {
            name: rustc_demangle::demangle(names.get(name).ok()?),
            offset: address - symbol.st_value,
        })
    }
}

impl fmt::Display for SymbolName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The alternate form leaves out the hash.
        write!(f, "{:#}+{:#x}", self.name, self.offset)
    }
}
