//! Serial ports: 16550 UARTs (National Semiconductor PC16550D data sheet).
//!
//! COM1 is the console, COM2 the kernel log's outlet; a machine with COM1 only
//! has both there. Output is polled, sixteen bytes for each look at the line
//! status; input comes by interrupt into a ring.

use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};

use kernel_core::sync::SpinLock;

use crate::port;

/// Bytes of the transmit FIFO.
const FIFO_SIZE: usize = 16;
/// Looks at the line status before a transmitter counts as stuck.
const MAX_POLLS: usize = 1_000_000;
/// Attempts to take a port before a writer goes ahead without: the holder may
/// be the very code that a panic interrupted.
const MAX_SPINS: usize = 1_000_000;
/// Bytes of the input ring, a power of two.
const RING_SIZE: usize = 4096;

/// Register offsets (data sheet, table II).
mod register {
    pub const DATA: u16 = 0;
    pub const INTERRUPT_ENABLE: u16 = 1;
    pub const FIFO_CONTROL: u16 = 2;
    pub const LINE_CONTROL: u16 = 3;
    pub const MODEM_CONTROL: u16 = 4;
    pub const LINE_STATUS: u16 = 5;
    pub const SCRATCH: u16 = 7;
}

/// Register bits (data sheet, section 8).
mod bit {
    /// Interrupt enable: received data.
    pub const RECEIVED: u8 = 1;
    /// FIFO control: on, interrupt at 14 bytes or when a shorter input pauses.
    pub const FIFO_ON: u8 = 0xc1;
    /// Line control: 8 data bits, no parity, 1 stop bit.
    pub const FORMAT_8N1: u8 = 0x03;
    /// Line control: the first two registers are the divisor.
    pub const DIVISOR: u8 = 0x80;
    /// Modem control: ready, request to send, interrupt line connected.
    pub const MODEM_ON: u8 = 0x0b;
    /// Line status: a byte was received.
    pub const DATA_READY: u8 = 0x01;
    /// Line status: the transmit FIFO is empty.
    pub const TRANSMIT_EMPTY: u8 = 0x20;
    /// Line status: the last bit has left.
    pub const TRANSMIT_IDLE: u8 = 0x40;
}

/// COM1.
pub static CONSOLE: Uart = Uart::new(0x3f8);
/// COM2.
static LOG: Uart = Uart::new(0x2f8);
/// Console input that no one has read yet.
static INPUT: Ring = Ring::new();

/// A UART.
pub struct Uart {
    base: u16,
    is_present: AtomicBool,
    transmitter: SpinLock<()>,
}

/// Finds the ports and sets them up.
pub fn init() {
    CONSOLE.init();
    LOG.init();
}

/// The port of the kernel log.
pub fn log_port() -> &'static Uart {
    if LOG.is_present.load(Ordering::Relaxed) {
        &LOG
    } else {
        &CONSOLE
    }
}

/// Lets the console raise interrupts; off and on again raises one anew for what waits.
pub fn enable_input() {
    CONSOLE.write_register(register::INTERRUPT_ENABLE, 0);
    CONSOLE.write_register(register::INTERRUPT_ENABLE, bit::RECEIVED);
}

/// The console's interrupt: takes what has arrived, as far as there is room.
/// The rest stays in the UART until [`read_input`] has made some.
pub fn on_input() {
    while CONSOLE.read_register(register::LINE_STATUS) & bit::DATA_READY != 0 {
        if INPUT.is_full() {
            INPUT.is_stalled.store(true, Ordering::Release);
            return;
        }
        INPUT.push(CONSOLE.read_register(register::DATA));
    }
}

/// Takes console input out of the ring; how many bytes.
pub fn read_input(buffer: &mut [u8]) -> usize {
    let _reader = INPUT.reader.lock();
    let mut count = 0;
    while count < buffer.len() {
        let Some(byte) = INPUT.pop() else { break };
        buffer[count] = byte;
        count += 1;
    }
    if count != 0 && INPUT.is_stalled.swap(false, Ordering::AcqRel) {
        enable_input();
    }
    count
}

impl Uart {
    const fn new(base: u16) -> Self {
        Self {
            base,
            is_present: AtomicBool::new(false),
            transmitter: SpinLock::new(()),
        }
    }

    fn init(&self) {
        let is_present = [0x5a, 0xa5].into_iter().all(|probe| {
            self.write_register(register::SCRATCH, probe);
            self.read_register(register::SCRATCH) == probe
        });
        if !is_present {
            return;
        }
        self.write_register(register::INTERRUPT_ENABLE, 0);
        self.write_register(register::LINE_CONTROL, bit::DIVISOR);
        // 115200 / 1 baud.
        self.write_register(register::DATA, 1);
        self.write_register(register::INTERRUPT_ENABLE, 0);
        self.write_register(register::LINE_CONTROL, bit::FORMAT_8N1);
        // Turning the FIFO on clears it: what was typed meanwhile is taken first.
        if core::ptr::eq(self, &raw const CONSOLE) {
            on_input();
        }
        self.write_register(register::FIFO_CONTROL, bit::FIFO_ON);
        self.write_register(register::MODEM_CONTROL, bit::MODEM_ON);
        self.is_present.store(true, Ordering::Relaxed);
    }

    /// Writes all of `text` without a break in it.
    pub fn write(&self, text: &[u8]) {
        if !self.is_present.load(Ordering::Relaxed) {
            return;
        }
        let _guard = (0..MAX_SPINS).find_map(|_| {
            core::hint::spin_loop();
            self.transmitter.try_lock()
        });
        for part in text.chunks(FIFO_SIZE) {
            self.wait_for(bit::TRANSMIT_EMPTY);
            part.iter()
                .for_each(|&byte| self.write_register(register::DATA, byte));
        }
    }

    /// Waits until everything has left.
    pub fn flush(&self) {
        if self.is_present.load(Ordering::Relaxed) {
            self.wait_for(bit::TRANSMIT_IDLE);
        }
    }

    fn wait_for(&self, status: u8) {
        for _ in 0..MAX_POLLS {
            if self.read_register(register::LINE_STATUS) & status != 0 {
                return;
            }
            core::hint::spin_loop();
        }
    }

    fn read_register(&self, register: u16) -> u8 {
        // SAFETY: a UART has no access to memory.
        unsafe { port::read_u8(self.base + register) }
    }

    fn write_register(&self, register: u16, value: u8) {
        // SAFETY: a UART has no access to memory.
        unsafe { port::write_u8(self.base + register, value) };
    }
}

/// Writes to the log port; for messages from before the kernel's log exists.
pub struct LogWriter;

impl fmt::Write for LogWriter {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        log_port().write(text.as_bytes());
        Ok(())
    }
}

/// A line on the log port, before the kernel's log exists.
#[macro_export]
macro_rules! report {
    ($($message:tt)*) => {{
        use core::fmt::Write as _;
        // Writing to the port cannot fail.
        let _ = writeln!($crate::serial::LogWriter, $($message)*);
    }};
}

/// Bytes from one producer, the interrupt handler, to one consumer at a time.
struct Ring {
    bytes: [AtomicU8; RING_SIZE],
    /// Bytes ever written and read; their difference is what the ring holds.
    written: AtomicUsize,
    read: AtomicUsize,
    /// The producer left bytes in the UART for want of room.
    is_stalled: AtomicBool,
    reader: SpinLock<()>,
}

impl Ring {
    const fn new() -> Self {
        Self {
            bytes: [const { AtomicU8::new(0) }; RING_SIZE],
            written: AtomicUsize::new(0),
            read: AtomicUsize::new(0),
            is_stalled: AtomicBool::new(false),
            reader: SpinLock::new(()),
        }
    }

    fn is_full(&self) -> bool {
        let read = self.read.load(Ordering::Acquire);
        self.written.load(Ordering::Relaxed).wrapping_sub(read) == RING_SIZE
    }

    fn push(&self, byte: u8) {
        let written = self.written.load(Ordering::Relaxed);
        self.bytes[written % RING_SIZE].store(byte, Ordering::Relaxed);
        self.written
            .store(written.wrapping_add(1), Ordering::Release);
    }

    fn pop(&self) -> Option<u8> {
        let read = self.read.load(Ordering::Relaxed);
        if read == self.written.load(Ordering::Acquire) {
            return None;
        }
        let byte = self.bytes[read % RING_SIZE].load(Ordering::Relaxed);
        self.read.store(read.wrapping_add(1), Ordering::Release);
        Some(byte)
    }
}
