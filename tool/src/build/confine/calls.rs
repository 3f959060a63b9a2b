//! System calls that what is confined may not make.
//!
//! Landlock knows what is read, written, made and removed. It has no right for modes,
//! owners, times, attributes and flags of files, which their owner may change of any
//! file that can be opened for reading. A filter cannot see which file is meant, so
//! nobody changes any: a file has the mode that it is made with. What cargo and rustc do
//! of that kind, they can do without:
//!
//! - cargo sets the time of its notes back to when it started the compiler, to see
//!   sources that change meanwhile. The tool sees these by itself;
//! - whoever copies a file sets the mode that the copy has been made with: `fchmod`
//!   says that it did, and does nothing.
//!
//! Nor can a file be made that runs with its owner's rights (set-user-id): started by
//! another account, it would be this person's and not confined. Calls that hide from a
//! filter what they do answer as on a kernel that does not have them.

use seccompiler::{
    BpfProgram, Error, SeccompAction, SeccompCmpArgLen as ArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, apply_filter, sock_filter,
};

/// "Operation not permitted".
const EPERM: u32 = 1;
/// "Function not implemented".
const ENOSYS: u32 = 38;
/// No error: the call says that it did what it did not do.
const SUCCESS: u32 = 0;

/// Requests that put characters into a terminal's input (Linux, `asm-generic/ioctls.h`
/// and `linux/tiocl.h`): `TIOCSTI`, and `TIOCLINUX`, which pastes on a console.
const TYPING: [u64; 2] = [0x5412, 0x541c];

/// Second bytes of requests to file systems, which change flags and versions, seal a
/// file for good or encrypt a folder (Linux, `userspace-api/ioctl/ioctl-number.rst`): all,
/// XFS, versions, FAT, btrfs, ceph, bcachefs, f2fs.
const FILE_SYSTEMS: [u64; 8] = [0x66, 0x58, 0x76, 0x72, 0x94, 0x97, 0xbc, 0xf5];

/// Bits of a mode by which a program runs with the rights of its owner or group.
const OWNERS_RIGHTS: [u64; 2] = [0o4000, 0o2000];

/// Forbids the thread, and all it starts, what the head of this file says.
///
/// # Errors
/// What the kernel says of the filters.
pub fn forbid() -> Result<(), Error> {
    let mut program = filter(forbidden()?, EPERM)?;
    program.splice(0..0, forbid_x32());
    apply_filter(&program)?;
    apply_filter(&filter(whole(&number::UNSEEN), ENOSYS)?)?;
    apply_filter(&filter(whole(&[number::FCHMOD]), SUCCESS)?)
}

/// Numbers of calls, and when each is meant; always, if there is no rule.
type Rules = Vec<(i64, Vec<SeccompRule>)>;

/// What is answered with an error.
fn forbidden() -> Result<Rules, Error> {
    let mut rules = whole(&number::CHANGING);
    let typing = TYPING.map(|request| (SeccompCmpOp::Eq, request));
    let flags = FILE_SYSTEMS.map(|kind| (SeccompCmpOp::MaskedEq(0xff00), kind << 8));
    let requests = typing.into_iter().chain(flags);
    rules.push((number::IOCTL, each(1, requests)?));
    for (call, mode) in number::MAKING {
        let bits = OWNERS_RIGHTS.map(|bit| (SeccompCmpOp::MaskedEq(bit), bit));
        rules.push((call, each(mode, bits)?));
    }
    Ok(rules)
}

/// Calls that are meant whatever their arguments.
fn whole(calls: &[i64]) -> Rules {
    calls.iter().map(|call| (*call, Vec::new())).collect()
}

/// A rule for each comparison of one argument.
fn each(
    argument: u8,
    comparisons: impl IntoIterator<Item = (SeccompCmpOp, u64)>,
) -> Result<Vec<SeccompRule>, Error> {
    let rules = comparisons.into_iter().map(|(operator, value)| {
        let condition = SeccompCondition::new(argument, ArgLen::Dword, operator, value)?;
        SeccompRule::new(vec![condition])
    });
    Ok(rules.collect::<Result<_, _>>()?)
}

/// A filter that answers these calls with an error number.
fn filter(rules: Rules, error: u32) -> Result<BpfProgram, Error> {
    let filter = SeccompFilter::new(
        rules.into_iter().collect(),
        SeccompAction::Allow,
        SeccompAction::Errno(error),
        std::env::consts::ARCH.try_into()?,
    )?;
    Ok(filter.try_into()?)
}

/// The beginning of a filter that forbids the calls of x32, which have numbers of their
/// own for what 64-bit programs do.
fn forbid_x32() -> [sock_filter; 3] {
    let instruction = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    [
        instruction(bpf::LOAD, 0, 0, bpf::NUMBER),
        instruction(bpf::JUMP_IF_AT_LEAST, 0, 1, bpf::X32_BIT),
        instruction(bpf::RETURN, 0, 0, bpf::ERRNO | EPERM),
    ]
}

/// Instructions of a filter (Linux, `linux/bpf_common.h` and `linux/seccomp.h`).
mod bpf {
    /// `BPF_LD | BPF_W | BPF_ABS`
    pub const LOAD: u16 = 0x20;
    /// `BPF_JMP | BPF_JGE | BPF_K`
    pub const JUMP_IF_AT_LEAST: u16 = 0x35;
    /// `BPF_RET | BPF_K`
    pub const RETURN: u16 = 0x06;
    /// Where `struct seccomp_data` has the call's number.
    pub const NUMBER: u32 = 0;
    /// `__X32_SYSCALL_BIT`
    pub const X32_BIT: u32 = 0x4000_0000;
    /// `SECCOMP_RET_ERRNO`
    pub const ERRNO: u32 = 0x0005_0000;
}

/// Numbers of system calls (Linux, `arch/x86/entry/syscalls/syscall_64.tbl`).
#[cfg(target_arch = "x86_64")]
mod number {
    /// `ioctl`
    pub const IOCTL: i64 = 16;
    /// `fchmod`
    pub const FCHMOD: i64 = 91;
    /// What changes a file's mode, owner, times, attributes or flags.
    pub const CHANGING: [i64; 20] = [
        90,  // chmod
        92,  // chown
        93,  // fchown
        94,  // lchown
        132, // utime
        188, // setxattr
        189, // lsetxattr
        190, // fsetxattr
        197, // removexattr
        198, // lremovexattr
        199, // fremovexattr
        235, // utimes
        260, // fchownat
        261, // futimesat
        268, // fchmodat
        280, // utimensat
        452, // fchmodat2
        463, // setxattrat
        466, // removexattrat
        469, // file_setattr
    ];
    /// What makes a file, and which argument is its mode.
    pub const MAKING: [(i64, u8); 5] = [
        (2, 2),   // open
        (85, 1),  // creat
        (133, 1), // mknod
        (257, 3), // openat
        (259, 2), // mknodat
    ];
    /// What hides the calls that it makes, or their arguments.
    pub const UNSEEN: [i64; 2] = [
        425, // io_uring_setup
        437, // openat2
    ];
}

/// Numbers of system calls (Linux, `asm-generic/unistd.h`).
#[cfg(not(target_arch = "x86_64"))]
mod number {
    /// `ioctl`
    pub const IOCTL: i64 = 29;
    /// `fchmod`
    pub const FCHMOD: i64 = 52;
    /// What changes a file's mode, owner, times, attributes or flags.
    pub const CHANGING: [i64; 14] = [
        5,   // setxattr
        6,   // lsetxattr
        7,   // fsetxattr
        14,  // removexattr
        15,  // lremovexattr
        16,  // fremovexattr
        53,  // fchmodat
        54,  // fchownat
        55,  // fchown
        88,  // utimensat
        452, // fchmodat2
        463, // setxattrat
        466, // removexattrat
        469, // file_setattr
    ];
    /// What makes a file, and which argument is its mode.
    pub const MAKING: [(i64, u8); 2] = [
        (33, 2), // mknodat
        (56, 3), // openat
    ];
    /// What hides the calls that it makes, or their arguments.
    pub const UNSEEN: [i64; 2] = [
        425, // io_uring_setup
        437, // openat2
    ];
}
