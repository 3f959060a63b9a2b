//! One PCI function: taken, set up for interrupts, silenced and reset.

use core::ops::Range;

use abi::PAGE_SIZE;
use abi::device::{PciAddress, PciBar, PciInfo};
use abi::status::ServiceError;

use super::registers as reg;
use super::{ConfigSpace, InterruptSource};

/// Time to leave a function alone after a function-level reset (6.6.2).
const FLR_NS: u64 = 100_000_000;
/// Time a function takes between D3hot and D0 (5.9).
const POWER_NS: u64 = 10_000_000;
/// Longest wait for a function's outstanding requests before its reset. The
/// specification bounds it by the completion timeout, 50 ms by default.
const PENDING_NS: u64 = 50_000_000;

/// A function and the state the kernel keeps of it.
#[derive(Clone, Debug)]
pub struct Function {
    /// What drivers may know.
    pub info: PciInfo,
    /// Base address registers as the firmware left them; a reset clears them.
    pub raw_bars: [u32; 6],
    /// Where its capabilities are.
    pub capabilities: Capabilities,
    /// Legacy interrupt line the firmware assigned.
    pub line: u8,
    /// Whether it has a legacy interrupt.
    pub has_pin: bool,
    /// Owner id of the domain that drives it; 0: nobody.
    pub owner: u64,
    /// What must be waited for before it can be used again.
    pub reset: Reset,
}

/// Offsets of the capabilities the kernel uses.
#[derive(Clone, Copy, Debug, Default)]
pub struct Capabilities {
    /// Power management.
    pub power: Option<u16>,
    /// Message-signalled interrupts.
    pub msi: Option<u16>,
    /// PCI Express.
    pub express: Option<u16>,
    /// MSI-X.
    pub msix: Option<MsixTable>,
}

/// Where a function's MSI-X table lies.
#[derive(Clone, Copy, Debug)]
pub struct MsixTable {
    /// Offset of the capability.
    pub capability: u16,
    /// Base address register the table lies behind.
    pub bar: u32,
    /// Offset of the table behind it.
    pub offset: u32,
    /// Base address register the pending bits lie behind.
    pub pending_bar: u32,
    /// Offset of the pending bits behind it.
    pub pending_offset: u32,
    /// Entries.
    pub vectors: u32,
}

/// How far a function's reset has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reset {
    /// None is under way.
    None,
    /// Function-level reset; registers are to be restored at this time.
    FunctionLevel(u64),
    /// In D3hot; it may be powered again at this time.
    PoweredDown(u64),
    /// Back in D0; registers are to be restored at this time.
    PoweredUp(u64),
}

impl Function {
    const fn address(&self) -> PciAddress {
        PciAddress(self.info.address)
    }

    fn change<S: ConfigSpace>(&self, space: &S, register: u16, clear: u32, set: u32) {
        let value = space.read(self.address(), register);
        space.write(self.address(), register, value & !clear | set);
    }

    fn command<S: ConfigSpace>(&self, space: &S, clear: u32, set: u32) {
        self.change(space, reg::COMMAND_STATUS, reg::STATUS_MASK | clear, set);
    }

    /// Goes on with a reset. `Err`: the time until which to wait.
    pub fn finish_reset<S: ConfigSpace>(&mut self, space: &S) -> Result<(), u64> {
        let now_ns = space.now_ns();
        match self.reset {
            Reset::None => Ok(()),
            Reset::FunctionLevel(until_ns)
            | Reset::PoweredDown(until_ns)
            | Reset::PoweredUp(until_ns)
                if now_ns < until_ns =>
            {
                Err(until_ns)
            }
            Reset::PoweredDown(_) => {
                if let Some(power) = self.capabilities.power {
                    let control = power + reg::POWER_CONTROL;
                    self.change(space, control, reg::POWER_STATE, reg::POWER_D0);
                }
                self.reset = Reset::PoweredUp(now_ns + POWER_NS);
                Err(now_ns + POWER_NS)
            }
            Reset::FunctionLevel(_) | Reset::PoweredUp(_) => {
                self.restore(space);
                self.reset = Reset::None;
                Ok(())
            }
        }
    }

    fn restore<S: ConfigSpace>(&self, space: &S) {
        for (index, value) in self.raw_bars.iter().enumerate() {
            space.write(self.address(), reg::BAR + 4 * index as u16, *value);
        }
        self.change(space, reg::INTERRUPT, 0xFF, u32::from(self.line));
    }

    /// Makes `owner` the driver: memory and bus mastering on, no interrupts.
    pub fn take<S: ConfigSpace>(&mut self, space: &S, owner: u64) -> Result<(), ServiceError> {
        if space.read(self.address(), reg::ID) != self.info.vendor_device {
            return Err(ServiceError::Io);
        }
        self.owner = owner;
        let on = reg::COMMAND_MEMORY | reg::COMMAND_MASTER | reg::COMMAND_INTX_OFF;
        self.command(space, reg::COMMAND_PORTS, on);
        Ok(())
    }

    /// Ends every activity of the function and resets it as far as it can be.
    ///
    /// On return it starts no more transfers and no interrupts. If `stop`, which
    /// makes it stop by its own registers, says that it has, it is left as it
    /// is; what is left of a reset happens in [`Function::finish_reset`].
    pub fn quiesce<S: ConfigSpace>(&mut self, space: &S, stop: &mut dyn FnMut(u32) -> bool) {
        self.owner = 0;
        self.command(space, reg::COMMAND_MASTER, reg::COMMAND_INTX_OFF);
        if let Some(table) = self.capabilities.msix {
            let control = table.capability + reg::MESSAGE_CONTROL;
            self.change(space, control, reg::MSIX_ENABLE, reg::MSIX_MASK_ALL);
        }
        if let Some(msi) = self.capabilities.msi {
            self.change(space, msi + reg::MESSAGE_CONTROL, reg::MSI_ENABLE, 0);
        }
        self.wait_for_transactions(space);
        if !stop(self.info.address) {
            self.start_reset(space);
        }
    }

    fn wait_for_transactions<S: ConfigSpace>(&self, space: &S) {
        let Some(express) = self.capabilities.express else {
            return;
        };
        let deadline_ns = space.now_ns() + PENDING_NS;
        let status = express + reg::EXPRESS_DEVICE_CONTROL;
        while space.read(self.address(), status) & reg::EXPRESS_TRANSACTIONS_PENDING != 0
            && space.now_ns() < deadline_ns
        {
            core::hint::spin_loop();
        }
    }

    fn start_reset<S: ConfigSpace>(&mut self, space: &S) {
        let now_ns = space.now_ns();
        if let Some(express) = self.capabilities.express {
            let able = space.read(self.address(), express + reg::EXPRESS_DEVICE_CAPABILITIES);
            if able & reg::EXPRESS_FLR_CAPABLE != 0 {
                let control = express + reg::EXPRESS_DEVICE_CONTROL;
                // The status bits in the upper half are cleared by ones.
                self.change(space, control, 0xFFFF_0000, reg::EXPRESS_INITIATE_FLR);
                self.reset = Reset::FunctionLevel(now_ns + FLR_NS);
                return;
            }
        }
        if let Some(power) = self.capabilities.power {
            let control = power + reg::POWER_CONTROL;
            let soft = space.read(self.address(), control) & reg::POWER_NO_SOFT_RESET == 0;
            if soft {
                self.change(space, control, reg::POWER_STATE, reg::POWER_D3HOT);
                self.reset = Reset::PoweredDown(now_ns + POWER_NS);
            }
        }
    }

    /// How the function interrupts by messages, the better way first.
    pub fn message_source(&self) -> Option<InterruptSource> {
        if let Some(table) = self.capabilities.msix {
            let bar = self.info.bars.get(table.bar as usize)?;
            let start = u64::from(table.offset);
            let bytes = table.vectors as usize * reg::MSIX_ENTRY_BYTES;
            if bar.is_port == 0 && start + bytes as u64 <= bar.size {
                return Some(InterruptSource::Msix {
                    table: bar.address + start,
                    bytes,
                });
            }
        }
        self.capabilities.msi.map(|_| InterruptSource::Msi)
    }

    /// The line by which the function interrupts, if it is wired.
    pub fn line_source(&self) -> Option<InterruptSource> {
        let is_wired = self.has_pin && self.line != 0xFF;
        is_wired.then_some(InterruptSource::Line(self.line))
    }

    /// Physical addresses of the pages that hold the MSI-X table and its pending bits.
    /// Who writes there chooses the address and data of the function's interrupts: any
    /// vector, on any CPU. So no driver does.
    pub fn closed(&self) -> [Range<u64>; 2] {
        let Some(table) = self.capabilities.msix else {
            return [0..0, 0..0];
        };
        let pages = |bar: u32, offset: u32, bytes: u64| {
            let bar = self.info.bars.get(bar as usize);
            bar.filter(|bar| bar.size != 0 && bar.is_port == 0)
                .map_or(0..0, |bar| {
                    let start = bar.address.saturating_add(offset.into());
                    whole_pages(start, bytes)
                })
        };
        let vectors = u64::from(table.vectors);
        let table_bytes = vectors * reg::MSIX_ENTRY_BYTES as u64;
        [
            pages(table.bar, table.offset, table_bytes),
            pages(
                table.pending_bar,
                table.pending_offset,
                vectors.div_ceil(64) * 8,
            ),
        ]
    }

    /// Whether one of its memory BARs has a page in `pages`.
    pub fn answers_in(&self, pages: &Range<u64>) -> bool {
        let mut bars = self.info.bars.iter();
        bars.any(|bar| {
            let own = whole_pages(bar.address, bar.size);
            let is_memory = bar.size != 0 && bar.is_port == 0 && bar.address != 0;
            is_memory && own.start < pages.end && pages.start < own.end
        })
    }

    /// Sends MSI-X vector `index` as this message, through `table`, which
    /// stores 32 bits at a byte offset of the MSI-X table.
    pub fn bind_msix<S: ConfigSpace>(
        &self,
        space: &S,
        index: u32,
        message: (u64, u32),
        table: &mut dyn FnMut(usize, u32),
    ) -> Result<(), ServiceError> {
        let msix = self.capabilities.msix.ok_or(ServiceError::Unsupported)?;
        if index >= msix.vectors {
            return Err(ServiceError::Invalid);
        }
        let control = msix.capability + reg::MESSAGE_CONTROL;
        if space.read(self.address(), control) & reg::MSIX_ENABLE == 0 {
            // Entries may be left over from an earlier driver: mask them all.
            self.change(space, control, 0, reg::MSIX_ENABLE | reg::MSIX_MASK_ALL);
            for vector in 0..msix.vectors as usize {
                table(vector * reg::MSIX_ENTRY_BYTES + reg::MSIX_VECTOR_CONTROL, 1);
            }
        }
        let entry = index as usize * reg::MSIX_ENTRY_BYTES;
        let (address, data) = message;
        table(entry + reg::MSIX_VECTOR_CONTROL, 1);
        table(entry, address as u32);
        table(entry + 4, (address >> 32) as u32);
        table(entry + 8, data);
        table(entry + reg::MSIX_VECTOR_CONTROL, 0);
        self.change(space, control, reg::MSIX_MASK_ALL, reg::MSIX_ENABLE);
        Ok(())
    }

    /// Sends the function's single MSI as this message.
    pub fn bind_msi<S: ConfigSpace>(
        &self,
        space: &S,
        message: (u64, u32),
    ) -> Result<(), ServiceError> {
        let msi = self.capabilities.msi.ok_or(ServiceError::Unsupported)?;
        let (address, data) = message;
        let control = space.read(self.address(), msi);
        let is_wide = control & reg::MSI_64_BIT != 0;
        if !is_wide && address >> 32 != 0 {
            return Err(ServiceError::Unsupported);
        }
        space.write(self.address(), msi + 4, address as u32);
        if is_wide {
            space.write(self.address(), msi + 8, (address >> 32) as u32);
        }
        let data_at = if is_wide { msi + 12 } else { msi + 8 };
        self.change(space, data_at, 0xFFFF, data & 0xFFFF);
        self.change(space, msi, reg::MSI_MULTIPLE, reg::MSI_ENABLE);
        Ok(())
    }

    /// Lets the function assert its legacy interrupt.
    pub fn enable_line<S: ConfigSpace>(&self, space: &S) {
        self.command(space, reg::COMMAND_INTX_OFF, 0);
    }

    /// A base address register that is there.
    pub fn bar(&self, index: u32) -> Option<PciBar> {
        let bar = self.info.bars.get(index as usize)?;
        (bar.size != 0).then_some(*bar)
    }

    /// Gives a memory BAR the firmware left unassigned an address.
    pub fn assign_bar<S: ConfigSpace>(&mut self, space: &S, index: usize, address: u64) {
        self.info.bars[index].address = address;
        self.raw_bars[index] = address as u32 | self.raw_bars[index] & 0xF;
        let register = reg::BAR + 4 * index as u16;
        space.write(self.address(), register, self.raw_bars[index]);
        if self.is_wide_bar(index) {
            self.raw_bars[index + 1] = (address >> 32) as u32;
            space.write(self.address(), register + 4, self.raw_bars[index + 1]);
        }
    }

    const fn is_wide_bar(&self, index: usize) -> bool {
        self.info.bars[index].is_port == 0 && self.raw_bars[index] >> 1 & 3 == 2 && index < 5
    }
}

/// The pages that some bytes lie in.
pub fn whole_pages(start: u64, bytes: u64) -> Range<u64> {
    let page = PAGE_SIZE as u64;
    let end = start.saturating_add(bytes).div_ceil(page);
    start / page * page..end.saturating_mul(page)
}
