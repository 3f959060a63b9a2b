//! The first instructions: from a boot loader's 32-bit state to Rust.
//!
//! Both protocols enter in 32-bit protected mode without paging: PVH with the
//! start info in `ebx`, Multiboot2 with its magic number in `eax` and the boot
//! information in `ebx`. Everything here is reached by physical address; the
//! kernel is linked at the one it is loaded at.

#[cfg(redleaf_image)]
use core::arch::global_asm;

#[cfg(redleaf_image)]
use crate::boot::Loader;

/// Bytes of the stack that the boot CPU starts on.
const BOOT_STACK_SIZE: usize = 128 * 1024;

/// The boot stack, with a page below it that the final tables leave unmapped.
#[repr(C, align(4096))]
pub struct BootStack {
    /// Never touched; a stack overflow ends here.
    pub guard: [u8; 4096],
    stack: [u8; BOOT_STACK_SIZE],
}

/// The only one; from the first instruction on it belongs to the boot CPU.
pub static mut BOOT_STACK: BootStack = BootStack {
    guard: [0; 4096],
    stack: [0; BOOT_STACK_SIZE],
};

// On the host, where only tests run, none of this can be linked.

// PVH: a note of the owner "Xen", type 18 (XEN_ELFNOTE_PHYS32_ENTRY), holds the
// entry address (Xen, "x86/HVM direct boot ABI").
// Multiboot2: header magic, architecture i386, length, checksum, end tag
// (Multiboot2 specification, section 3.1.2).
#[cfg(redleaf_image)]
global_asm!(
    ".pushsection .note.pvh, \"a\", @note",
    ".balign 4",
    ".long 4, 4, 18",
    ".asciz \"Xen\"",
    ".long pvh_entry",
    ".popsection",
    ".pushsection .multiboot2, \"a\"",
    ".balign 8",
    "multiboot2_header:",
    ".long 0xe85250d6, 0, 24, 0x100000000 - (0xe85250d6 + 0 + 24)",
    ".short 0, 0",
    ".long 8",
    ".popsection",
    options(att_syntax)
);

// Tables until the final ones exist: the first 4 GiB, identity-mapped with
// 2 MiB pages. Control registers: SDM volume 3A, sections 2.5 and 10.8.5.
#[cfg(redleaf_image)]
global_asm!(
    ".pushsection .bss.boot_tables, \"aw\", @nobits",
    ".balign 4096",
    "boot_root: .skip 4096",
    "boot_pointers: .skip 4096",
    "boot_directories: .skip 4 * 4096",
    ".popsection",
    ".pushsection .rodata.boot_segments, \"a\"",
    ".balign 8",
    ".global boot_segments",
    "boot_segments: .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff",
    "boot_segments_pointer: .short 23",
    ".long boot_segments",
    ".popsection",
    ".pushsection .boot.text, \"ax\"",
    ".code32",
    ".global pvh_entry, multiboot2_entry",
    "pvh_entry:",
    "movl ${pvh}, %edi",
    "jmp 2f",
    "multiboot2_entry:",
    "xorl %edi, %edi",
    "cmpl $0x36d76289, %eax",
    "jne 2f",
    "movl ${multiboot2}, %edi",
    "2: cli",
    "cld",
    "movl %ebx, %esi",
    // The tables: one root entry, four pointers, 2048 pages.
    "movl $boot_pointers + 3, boot_root",
    "xorl %ecx, %ecx",
    "3: movl %ecx, %eax",
    "shll $12, %eax",
    "addl $boot_directories + 3, %eax",
    "movl %eax, boot_pointers(, %ecx, 8)",
    "incl %ecx",
    "cmpl $4, %ecx",
    "jne 3b",
    "xorl %ecx, %ecx",
    "4: movl %ecx, %eax",
    "shll $21, %eax",
    "orl $0x83, %eax",
    "movl %eax, boot_directories(, %ecx, 8)",
    "incl %ecx",
    "cmpl $2048, %ecx",
    "jne 4b",
    "movl $boot_root, %eax",
    "movl %eax, %cr3",
    // CR4: PAE, OSFXSR, OSXMMEXCPT.
    "movl $0x620, %eax",
    "movl %eax, %cr4",
    // EFER: LME, NXE.
    "movl $0xc0000080, %ecx",
    "rdmsr",
    "orl $0x900, %eax",
    "wrmsr",
    // CR0: PG, WP, NE, MP, PE; caches on, no emulation.
    "movl $0x80010023, %eax",
    "movl %eax, %cr0",
    "lgdt boot_segments_pointer",
    "ljmp $8, $5f",
    ".code64",
    "5: movl $16, %eax",
    "movl %eax, %ds",
    "movl %eax, %es",
    "movl %eax, %ss",
    "xorl %eax, %eax",
    "movl %eax, %fs",
    "movl %eax, %gs",
    "movl ${stack} + {stack_size}, %esp",
    "xorl %ebp, %ebp",
    "call {start}",
    "ud2",
    ".popsection",
    pvh = const Loader::Pvh as u32,
    multiboot2 = const Loader::Multiboot2 as u32,
    stack = sym BOOT_STACK,
    stack_size = const size_of::<BootStack>(),
    start = sym crate::start::start,
    options(att_syntax)
);
