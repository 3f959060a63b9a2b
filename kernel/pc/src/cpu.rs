//! Instructions and registers of the processor, and what it can do.

use core::arch::asm;
use core::arch::x86_64::{__cpuid, __cpuid_count, _rdtsc, CpuidResult};
use core::sync::atomic::{AtomicBool, Ordering};

/// Most CPUs the kernel handles.
pub const MAX_CPUS: usize = 64;

/// Model-specific registers (SDM volume 4, chapter 2).
pub mod msr {
    /// Local APIC base and mode.
    pub const APIC_BASE: u32 = 0x1b;
    /// Page attribute table.
    pub const PAT: u32 = 0x277;
    /// Time stamp at which the APIC timer fires.
    pub const TSC_DEADLINE: u32 = 0x6e0;
    /// First x2APIC register.
    pub const X2APIC: u32 = 0x800;
    /// Base address of the `gs` segment.
    pub const GS_BASE: u32 = 0xc000_0101;
}

/// Bits of CR4 (SDM volume 3A, section 2.5) that features turn on.
mod cr4 {
    pub const FSGSBASE: u64 = 1 << 16;
    pub const OSXSAVE: u64 = 1 << 18;
    pub const PROTECTION_KEYS: u64 = 1 << 22;
}

/// The PAT after reset: entries 0 and 3 are write-back and uncacheable, as
/// `kernel_core::page_table` assumes (SDM volume 3A, section 12.12.4).
const PAT_DEFAULT: u64 = 0x0007_0406_0007_0406;

static HAS_FSGSBASE: AtomicBool = AtomicBool::new(false);

/// What CPUID says (SDM volume 2A, CPUID).
#[derive(Clone, Copy, Debug)]
pub struct Features {
    /// There is a local APIC, and it is on.
    pub apic: bool,
    /// The local APIC has its x2APIC mode.
    pub x2apic: bool,
    /// Its timer has the TSC-deadline mode.
    pub tsc_deadline: bool,
    /// RDRAND.
    pub rdrand: bool,
    /// Protection keys.
    pub keys: bool,
    /// A hypervisor says that it is there.
    pub hypervisor: bool,
    /// Idle CPUs wait by MWAIT. Not under a hypervisor: if that has it at all, it
    /// may go round in circles meanwhile, and learns of an idle CPU by HLT.
    pub mwait: bool,
}

impl Features {
    /// Asks the processor.
    pub fn read() -> Self {
        let CpuidResult { ecx, edx, .. } = cpuid(1);
        Self {
            apic: edx & 1 << 9 != 0,
            x2apic: ecx & 1 << 21 != 0,
            tsc_deadline: ecx & 1 << 24 != 0,
            rdrand: ecx & 1 << 30 != 0,
            keys: has_keys(),
            hypervisor: ecx & 1 << 31 != 0,
            mwait: ecx & (1 << 3 | 1 << 31) == 1 << 3,
        }
    }
}

/// Turns on what the kernel uses, on every CPU alike: extended state up to AVX,
/// FSGSBASE, the default PAT. SSE, NX and WP are on since the entry code.
pub fn init() {
    let features = cpuid(1);
    let (has_xsave, has_avx) = (features.ecx & 1 << 26 != 0, features.ecx & 1 << 28 != 0);
    let has_fsgsbase = cpuid(0).eax >= 7 && cpuid_leaf(7, 0).ebx & 1 != 0;
    let mut bits = 0;
    bits |= if has_xsave { cr4::OSXSAVE } else { 0 };
    bits |= if has_fsgsbase { cr4::FSGSBASE } else { 0 };
    // SAFETY: CPUID promises these features; they make instructions available
    // and change no memory access. XCR0 keeps x87 on, as it must be.
    unsafe {
        asm!(
            "mov {old}, cr4", "or {old}, {bits}", "mov cr4, {old}",
            old = out(reg) _, bits = in(reg) bits, options(nostack),
        );
        if has_xsave {
            let state = if has_avx { 7 } else { 3 };
            asm!("xsetbv", in("ecx") 0, in("eax") state, in("edx") 0, options(nostack));
        }
        write_msr(msr::PAT, PAT_DEFAULT);
    }
    HAS_FSGSBASE.store(has_fsgsbase, Ordering::Relaxed);
}

/// Whether the processor has protection keys.
fn has_keys() -> bool {
    cpuid(0).eax >= 7 && cpuid_leaf(7, 0).ecx & 1 << 3 != 0
}

/// Turns protection keys on, on this CPU, with all rights.
///
/// # Safety
/// The processor must have them, and the page tables in use must tell of no key that
/// the code to come does not mean.
pub unsafe fn enable_keys() {
    // SAFETY: the caller's promise; all rights forbid nothing.
    unsafe {
        asm!(
            "mov {old}, cr4", "or {old}, {bit}", "mov cr4, {old}",
            old = out(reg) _, bit = in(reg) cr4::PROTECTION_KEYS, options(nostack),
        );
        asm!("wrpkru", in("eax") 0, in("ecx") 0, in("edx") 0, options(nostack));
    }
}

/// CPUID; all zero for a leaf the processor does not have.
pub fn cpuid(leaf: u32) -> CpuidResult {
    cpuid_leaf(leaf, 0)
}

fn cpuid_leaf(leaf: u32, subleaf: u32) -> CpuidResult {
    let highest = match leaf >> 28 {
        0 => __cpuid(0).eax,
        group => __cpuid(group << 28).eax,
    };
    if leaf > highest {
        return CpuidResult {
            eax: 0,
            ebx: 0,
            ecx: 0,
            edx: 0,
        };
    }
    __cpuid_count(leaf, subleaf)
}

/// The time stamp counter.
pub fn time_stamp() -> u64 {
    // SAFETY: every x86-64 has it, and nothing denies it in ring 0.
    unsafe { _rdtsc() }
}

/// Reads a model-specific register.
///
/// # Safety
/// The processor must have it.
pub unsafe fn read_msr(register: u32) -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: the caller's promise; reading has no effect on memory.
    unsafe {
        asm!(
            "rdmsr", in("ecx") register, out("eax") low, out("edx") high,
            options(nostack, nomem, preserves_flags),
        );
    }
    u64::from(high) << 32 | u64::from(low)
}

/// Writes a model-specific register.
///
/// # Safety
/// The processor must have it, and the value must keep the kernel running.
pub unsafe fn write_msr(register: u32, value: u64) {
    // SAFETY: the caller's promise.
    unsafe {
        asm!(
            "wrmsr", in("ecx") register, in("eax") value as u32, in("edx") (value >> 32) as u32,
            options(nostack, preserves_flags),
        );
    }
}

/// Makes `base` the start of the `gs` segment.
///
/// # Safety
/// `base` must be the address of a thread control block that outlives its use.
pub unsafe fn set_gs_base(base: u64) {
    // SAFETY: the caller's promise; FSGSBASE is used only where it is on.
    unsafe {
        if HAS_FSGSBASE.load(Ordering::Relaxed) {
            asm!("wrgsbase {}", in(reg) base, options(nostack, preserves_flags));
        } else {
            write_msr(msr::GS_BASE, base);
        }
    }
}

/// Lets interrupts in.
///
/// # Safety
/// The interrupt table must be loaded, and no interrupt may find a lock held
/// that its handler takes.
pub unsafe fn enable_interrupts() {
    // SAFETY: the caller's promise.
    unsafe { asm!("sti", options(nostack)) };
}

/// Keeps interrupts out.
pub fn disable_interrupts() {
    // SAFETY: holding interrupts back harms nothing.
    unsafe { asm!("cli", options(nostack)) };
}

/// Lets interrupts in and waits for one; none is missed between the two steps,
/// because `sti` takes effect after the instruction that follows it.
///
/// # Safety
/// See [`enable_interrupts`].
pub unsafe fn enable_interrupts_and_halt() {
    // SAFETY: the caller's promise.
    unsafe { asm!("sti", "hlt", options(nostack)) };
}

/// As [`enable_interrupts_and_halt`] by MWAIT in its shallowest state, C1, which
/// it may leave early; what is monitored is only what MWAIT needs to begin.
///
/// # Safety
/// See [`enable_interrupts`]; the processor must have MWAIT.
pub unsafe fn enable_interrupts_and_wait() {
    let line = AtomicBool::new(false);
    // SAFETY: the caller's promise; MONITOR reads a byte that is there. Like
    // `hlt`, MWAIT is reached before `sti` takes effect.
    unsafe {
        asm!(
            "monitor", in("rax") &raw const line, in("ecx") 0, in("edx") 0,
            options(nostack, preserves_flags),
        );
        asm!("sti", "mwait", in("eax") 0, in("ecx") 0, options(nostack));
    }
}

/// Stops this CPU for good.
pub fn halt_for_ever() -> ! {
    disable_interrupts();
    loop {
        // SAFETY: waiting harms nothing.
        unsafe { asm!("hlt", options(nostack, nomem)) };
    }
}

/// Runs `work` with interrupts held back, and restores what was before.
pub fn without_interrupts<T>(work: impl FnOnce() -> T) -> T {
    let flags: u64;
    // SAFETY: the flags are saved on the stack and popped at once.
    unsafe { asm!("pushfq", "pop {}", "cli", out(reg) flags) };
    let result = work();
    if flags & 1 << 9 != 0 {
        // SAFETY: interrupts were on before.
        unsafe { enable_interrupts() };
    }
    result
}

/// Runs `work` while this CPU, and no other, may write where the page tables say
/// "read-only" (CR0.WP; SDM volume 3A, section 2.5). Interrupts are held back, so
/// nothing but `work` runs here meanwhile; it must be short.
pub fn with_writes_unprotected<T>(work: impl FnOnce() -> T) -> T {
    /// CR0: supervisor writes heed the page tables.
    const WRITE_PROTECT: u64 = 1 << 16;
    without_interrupts(|| {
        let control: u64;
        // SAFETY: the bit takes a protection away and changes no translation.
        unsafe {
            asm!("mov {}, cr0", out(reg) control, options(nostack, nomem, preserves_flags));
            asm!("mov cr0, {}", in(reg) control & !WRITE_PROTECT, options(nostack));
        }
        let result = work();
        // SAFETY: as it was before.
        unsafe { asm!("mov cr0, {}", in(reg) control, options(nostack)) };
        result
    })
}

/// Makes this CPU forget its translation of the page at `address`, and all
/// cached pointers to page tables (SDM volume 3A, section 4.10.4.1).
pub fn invalidate_page(address: usize) {
    // SAFETY: forgetting a cached translation changes no mapping.
    unsafe { asm!("invlpg [{}]", in(reg) address, options(nostack, preserves_flags)) };
}

/// Physical address of the page tables in use.
pub fn page_tables() -> u64 {
    let root: u64;
    // SAFETY: reading CR3 has no effect.
    unsafe { asm!("mov {}, cr3", out(reg) root, options(nostack, nomem, preserves_flags)) };
    root
}

/// Switches to other page tables.
///
/// # Safety
/// They must map everything in use, with the permissions it needs.
pub unsafe fn load_page_tables(root: u64) {
    // SAFETY: the caller's promise.
    unsafe { asm!("mov cr3, {}", in(reg) root, options(nostack, preserves_flags)) };
}

/// The address that the last page fault was about.
pub fn page_fault_address() -> usize {
    let address: usize;
    // SAFETY: reading CR2 has no effect.
    unsafe { asm!("mov {}, cr2", out(reg) address, options(nostack, nomem, preserves_flags)) };
    address
}

/// A hardware random number, if the processor has one ready.
pub fn hardware_random() -> Option<u64> {
    // SDM volume 1, section 7.3.17.1: retry ten times.
    (0..10).find_map(|_| {
        let (value, success): (u64, u8);
        // SAFETY: callers ask for `Features::rdrand` first.
        unsafe {
            asm!(
                "rdrand {}", "setc {}", out(reg) value, out(reg_byte) success,
                options(nostack, nomem),
            );
        }
        (success != 0).then_some(value)
    })
}
