//! The other CPUs: from the start-up interrupt to the kernel core.
//!
//! A CPU that gets a start-up interrupt begins in real mode at a page below
//! 1 MiB (SDM volume 3A, section 9.4). The code there enters long mode in one
//! step, with the page tables that the boot CPU uses.
//!
//! How one is started:
//!
//! 1. The boot CPU offers a stack ([`Offer`]), and notes which CPU goes with it.
//! 2. It sends INIT, once, and start-up interrupts, which a CPU that has begun ignores,
//!    until the offer is taken or its patience is over.
//! 3. The CPU takes the offer before it uses any memory. It is the only one that can,
//!    and nothing is offered anew before it runs threads.
//! 4. A CPU that finds no offer comes too late, and stays where it is.

#[cfg(redleaf_image)]
use core::arch::global_asm;
use core::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};

use abi::thread::ThreadControl;
use kernel_core::machine::{Machine, PhysicalRange};
use kernel_core::offer::Offer;

use crate::acpi::Platform;
use crate::cpu::{self, Features, MAX_CPUS};
use crate::descriptors::{self, ALL_STACKS_PAGES, STACK_PAGES};
use crate::iommu::interrupts::Width;
use crate::memory::{PAGE, Ranges};
use crate::{apic, clock, machine, paging, report};

/// Pages of a CPU's idle thread's stack, and of its guard.
const IDLE_STACK_PAGES: u64 = 16;
/// Start-up code must lie here: above what a BIOS uses, below its extended data.
const LOW_MEMORY: PhysicalRange = PhysicalRange {
    start: 0x8000,
    end: 0x9_0000,
};
/// What a CPU needs between INIT and start-up (SDM volume 3A, section 9.4.4.1
/// has 10 ms; processors since about 2008 need none of it).
const AFTER_INIT_NS: u64 = 200_000;
/// Time between start-up interrupts: one that needs longer after INIT misses the first.
const BETWEEN_NS: u64 = 10_000_000;
/// How long a CPU may take to its first instructions. A hypervisor may have other things
/// to do for a while.
const COMING_NS: u64 = 5_000_000_000;

/// Highest local APIC id of 8 bits that is one CPU's.
const MAX_NARROW_ID: u32 = 0xfe;

/// Where the start-up code was put; 0: nowhere.
static START_PAGE: AtomicU64 = AtomicU64::new(0);
/// Interrupt stacks of each CPU.
static INTERRUPT_STACKS: [AtomicUsize; MAX_CPUS] = [const { AtomicUsize::new(0) }; MAX_CPUS];
/// End of each CPU's idle stack.
static IDLE_STACKS: [AtomicUsize; MAX_CPUS] = [const { AtomicUsize::new(0) }; MAX_CPUS];

/// What the CPU that starts up is to be, written before its stack is offered. One starts
/// at a time.
static NUMBER: AtomicUsize = AtomicUsize::new(0);
static IDLE: AtomicPtr<ThreadControl> = AtomicPtr::new(core::ptr::null_mut());
/// Its stack, taken by the code below as [`Offer::take`] does.
static STACK: Offer = Offer::new();

// Copied to the start-up page; nothing in it depends on where it lies but what
// `prepare` writes into it. Control registers as in `boot::entry`.
#[cfg(redleaf_image)]
global_asm!(
    ".pushsection .rodata.secondary, \"a\"",
    ".balign 16",
    ".code16",
    ".global secondary_code, secondary_root, secondary_code_end",
    "secondary_code:",
    "cli",
    "cld",
    "movw %cs, %ax",
    "movw %ax, %ds",
    "lgdtl secondary_segments - secondary_code",
    "movl $0x620, %eax",
    "movl %eax, %cr4",
    "movl secondary_root - secondary_code, %eax",
    "movl %eax, %cr3",
    "movl $0xc0000080, %ecx",
    "rdmsr",
    "orl $0x900, %eax",
    "wrmsr",
    "movl $0x80010023, %eax",
    "movl %eax, %cr0",
    "ljmpl $8, $secondary_long",
    ".balign 8",
    "secondary_segments: .short 23",
    ".long boot_segments",
    ".balign 8",
    "secondary_root: .long 0",
    "secondary_code_end:",
    ".popsection",
    ".pushsection .boot.text, \"ax\"",
    ".code64",
    "secondary_long:",
    "movl $16, %eax",
    "movl %eax, %ds",
    "movl %eax, %es",
    "movl %eax, %ss",
    "xorl %eax, %eax",
    "movl %eax, %fs",
    "movl %eax, %gs",
    "xorl %ebp, %ebp",
    "xchgq %rax, {stack}(%rip)",
    "testq %rax, %rax",
    "jz 2f",
    "movq %rax, %rsp",
    "call {enter}",
    "2: cli",
    "hlt",
    "jmp 2b",
    ".popsection",
    stack = sym STACK,
    enter = sym enter,
    options(att_syntax)
);

unsafe extern "C" {
    #[link_name = "secondary_code"]
    static CODE: u8;
    #[link_name = "secondary_root"]
    static ROOT: u8;
    #[link_name = "secondary_code_end"]
    static CODE_END: u8;
}

/// Leaves CPUs out that are not reached; the boot CPU stays. Without an IOMMU that
/// remaps interrupts, or with one whose entries are narrow, devices reach ids of 8 bits
/// only, of which the last means all CPUs.
pub fn leave_out_unreachable(platform: &mut Platform, width: Option<Width>) {
    let boot = apic::id(0);
    let is_reached = |id: u32| id == boot || id <= MAX_NARROW_ID || width == Some(Width::Wide);
    let left_out = platform.cpus.retain(|&id| is_reached(id));
    if left_out != 0 {
        report!(
            "cpu: {left_out} CPU(s) with an APIC id above {MAX_NARROW_ID} are not started: \
             no IOMMU that remaps interrupts to them"
        );
    }
}

/// Makes stacks and the start-up page while early memory is there. Without a
/// page below 1 MiB the other CPUs stay where they are.
pub fn prepare(platform: &Platform, ram: &Ranges) {
    for index in 0..count(platform) {
        let interrupts = paging::guarded_stacks(ALL_STACKS_PAGES / (STACK_PAGES + 1), STACK_PAGES);
        let idle = paging::guarded_stacks(1, IDLE_STACK_PAGES);
        let (Some(interrupts), Some(idle)) = (interrupts, idle) else {
            return;
        };
        INTERRUPT_STACKS[index].store(interrupts, Ordering::Relaxed);
        let top = idle + (IDLE_STACK_PAGES + 1) as usize * PAGE as usize;
        IDLE_STACKS[index].store(top, Ordering::Relaxed);
    }
    if count(platform) > 1
        && let Some(page) = low_page(ram)
    {
        put_code(page);
    }
}

/// Interrupt stacks of a CPU, from [`prepare`].
pub fn interrupt_stacks(cpu: usize) -> Option<usize> {
    Some(INTERRUPT_STACKS[cpu].load(Ordering::Relaxed)).filter(|&stacks| stacks != 0)
}

/// CPUs that can run, the boot CPU among them.
pub fn count(platform: &Platform) -> usize {
    platform.cpus.as_slice().len().clamp(1, MAX_CPUS)
}

/// The last free page that start-up code may lie in.
fn low_page(ram: &Ranges) -> Option<u64> {
    let mut low = *ram;
    low.trim_to_pages();
    low.as_slice()
        .iter()
        .map(|range| {
            (
                range.start.max(LOW_MEMORY.start),
                range.end.min(LOW_MEMORY.end),
            )
        })
        .filter(|(start, end)| start + PAGE <= *end)
        .map(|(_, end)| end - PAGE)
        .max()
}

fn put_code(page: u64) {
    let (code, root) = (&raw const CODE, &raw const ROOT as usize);
    let length = &raw const CODE_END as usize - code as usize;
    let is_written = paging::with_low_page(page, || {
        // SAFETY: the page is RAM that nobody uses, mapped writable for now,
        // and the code with the word for the tables' address fits into it. That
        // lies below 4 GiB, where early memory is taken from.
        unsafe {
            core::ptr::copy_nonoverlapping(code, page as *mut u8, length);
            let word = page as usize + (root - code as usize);
            (word as *mut u32).write(cpu::page_tables() as u32);
        }
    });
    if is_written {
        START_PAGE.store(page, Ordering::Relaxed);
    }
}

/// Starts CPU `number` as the idle thread `idle`; whether it comes.
pub fn start(platform: &Platform, number: usize, idle: *const ThreadControl) -> bool {
    let page = START_PAGE.load(Ordering::Relaxed);
    let stack = IDLE_STACKS[number].load(Ordering::Relaxed);
    let Some(id) = apic_id(platform, number).filter(|_| page != 0 && stack != 0) else {
        return false;
    };
    IDLE.store(idle.cast_mut(), Ordering::Relaxed);
    NUMBER.store(number, Ordering::Relaxed);
    STACK.make(stack);
    apic::send_init(id);
    wait(AFTER_INIT_NS, || false);
    let give_up_ns = clock::now_ns() + COMING_NS;
    while !STACK.is_over() && clock::now_ns() < give_up_ns {
        apic::send_start_up(id, (page / PAGE) as u8);
        wait(BETWEEN_NS, || STACK.is_over());
    }
    // It may have come just now.
    !STACK.withdraw()
}

/// Local APIC id of a CPU: the boot CPU is number 0, the others follow in the
/// firmware's order.
fn apic_id(platform: &Platform, number: usize) -> Option<u32> {
    let boot = apic::id(0);
    let mut others = platform.cpus.as_slice().iter().filter(|&&id| id != boot);
    others.nth(number.checked_sub(1)?).copied()
}

fn wait(limit_ns: u64, is_over: impl Fn() -> bool) -> bool {
    let end = clock::now_ns() + limit_ns;
    while clock::now_ns() < end {
        if is_over() {
            return true;
        }
        core::hint::spin_loop();
    }
    is_over()
}

/// Where another CPU's Rust begins, on its idle thread's stack, which it has taken.
extern "sysv64" fn enter() -> ! {
    let number = NUMBER.load(Ordering::Relaxed);
    let idle = IDLE.load(Ordering::Relaxed);
    cpu::init();
    if paging::has_keys() {
        // SAFETY: the boot CPU has them, and turned them on with these tables.
        unsafe { cpu::enable_keys() };
    }
    // SAFETY: the boot CPU has passed this CPU's idle thread, which lives for
    // ever; its interrupt stacks are there, and the table is filled.
    unsafe {
        cpu::set_gs_base(idle as u64);
        descriptors::load(number, INTERRUPT_STACKS[number].load(Ordering::Relaxed));
    }
    let pc = machine::get().expect("the machine starts CPUs after it was installed");
    apic::init(number, machine::platform().local_apic, Features::read());
    clock::init_secondary();
    // SAFETY: as above; from here on interrupts are on.
    unsafe { pc.load_thread(idle) };
    kernel_core::boot::run_secondary()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_with_long_ids_need_wide_entries() {
        let ids = [0, 1, 0xfe, 0xff, 0x100, 0x1_0000];
        let left = |width| {
            let mut platform = Platform::default();
            ids.into_iter().for_each(|id| platform.cpus.push(id));
            leave_out_unreachable(&mut platform, width);
            platform.cpus.as_slice().to_vec()
        };
        assert_eq!(left(Some(Width::Wide)), ids);
        assert_eq!(left(Some(Width::Narrow)), ids[..3]);
        assert_eq!(left(None), ids[..3]);
    }
}
