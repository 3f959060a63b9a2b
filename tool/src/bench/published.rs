//! What others have published or reached, to stand beside our rows.
//!
//! RedLeaf 2020 is the original system: V. Narayanan et al., "RedLeaf:
//! Isolation and Communication in a Safe Operating System", OSDI 2020, measured
//! without virtualisation on one core of a 2.6 GHz Xeon. What is said to be
//! measured on QEMU was measured with version 10.0 without KVM, on a machine of
//! 2.6 GHz; it says how far a figure of another machine can be off.

/// A figure of another system.
pub struct Published {
    /// Name of our benchmark.
    pub bench: &'static str,
    /// The machine whose rows it is compared with.
    pub machine: &'static str,
    /// Name of our row.
    pub row: &'static str,
    /// Whose figure.
    pub who: &'static str,
    /// The figure.
    pub value: f64,
    /// Its unit, as in rows.
    pub unit: &'static str,
}

const fn figure(
    bench: &'static str,
    machine: &'static str,
    row: &'static str,
    who: &'static str,
    value: f64,
    unit: &'static str,
) -> Published {
    Published {
        bench,
        machine,
        row,
        who,
        value,
        unit,
    }
}

/// The original system.
pub const ORIGINAL: &str = "RedLeaf 2020";

/// Everything there is to compare with.
pub const ALL: [Published; 24] = [
    figure(
        "crossing",
        "hosted",
        "null crossing",
        ORIGINAL,
        124.0,
        "cycles",
    ),
    figure(
        "crossing",
        "hosted",
        "null crossing",
        "VMFUNC call and reply",
        396.0,
        "cycles",
    ),
    figure(
        "crossing",
        "hosted",
        "null crossing",
        "seL4",
        834.0,
        "cycles",
    ),
    figure(
        "crossing",
        "hosted",
        "crossing + RRef",
        ORIGINAL,
        141.0,
        "cycles",
    ),
    figure(
        "crossing",
        "hosted",
        "crossing through a shadow",
        ORIGINAL,
        279.0,
        "cycles",
    ),
    figure(
        "crossing",
        "hosted",
        "via shadow + RRef",
        ORIGINAL,
        297.0,
        "cycles",
    ),
    figure(
        "hash",
        "hosted",
        "idiomatic Rust, set, 2^20 slots",
        ORIGINAL,
        1.25,
        "of C's time",
    ),
    figure(
        "hash",
        "hosted",
        "C-style Rust, set, 2^20 slots",
        ORIGINAL,
        1.0,
        "of C's time",
    ),
    figure(
        "domain",
        "pc",
        "load + start + end",
        "Linux fork + exec + wait on QEMU",
        525_000.0,
        "instructions",
    ),
    figure(
        "domain",
        "pc",
        "load + start + end",
        "xv6 fork + exec on QEMU",
        4_089_000.0,
        "instructions",
    ),
    figure(
        "nvme",
        "pc",
        "read 4 KiB, in the driver's domain, depth 1",
        ORIGINAL,
        457_000.0,
        "per_second",
    ),
    figure(
        "nvme",
        "pc",
        "read 4 KiB, in the driver's domain, depth 1",
        "SPDK, bare metal",
        452_000.0,
        "per_second",
    ),
    figure(
        "nvme",
        "pc",
        "read 4 KiB, in the driver's domain, depth 1",
        "Linux, bare metal",
        13_000.0,
        "per_second",
    ),
    figure(
        "nvme",
        "pc",
        "read 4 KiB, depth 1",
        "SPDK on QEMU",
        44_000.0,
        "per_second",
    ),
    figure(
        "nvme",
        "pc",
        "read 4 KiB, depth 32",
        "SPDK on QEMU",
        255_000.0,
        "per_second",
    ),
    figure(
        "nvme",
        "pc",
        "read 4 KiB, depth 1, per request",
        "Linux, synchronous, on QEMU",
        14_200.0,
        "instructions",
    ),
    figure(
        "nvme",
        "pc",
        "read 4 KiB, depth 1, per request",
        "SPDK on QEMU, spin included",
        4_880.0,
        "instructions",
    ),
    figure(
        "nvme",
        "pc",
        "read 4 KiB, depth 32, per request",
        "SPDK on QEMU, spin included",
        3_780.0,
        "instructions",
    ),
    figure(
        "nvme",
        "pc",
        "read 4 KiB, depth 32, doorbells",
        "Linux on QEMU",
        2.0,
        "per_request",
    ),
    figure(
        "nvme",
        "pc",
        "read 4 KiB, depth 32, doorbells",
        "SPDK on QEMU",
        0.06,
        "per_request",
    ),
    figure(
        "boot",
        "pc",
        "launch to prompt",
        "Linux to init on QEMU",
        2.25e9,
        "ns",
    ),
    figure(
        "boot",
        "pc",
        "launch to prompt",
        "xv6 to its shell on QEMU",
        0.95e9,
        "ns",
    ),
    figure(
        "size",
        "pc",
        "trusted share of the lines linked",
        "Asterinas",
        14.0,
        "percent",
    ),
    figure(
        "size",
        "pc",
        "trusted share of the lines linked",
        ORIGINAL,
        66.1,
        "percent",
    ),
];

/// What stands beside a row.
pub fn beside(
    bench: &str,
    machine: &str,
    row: &str,
) -> impl Iterator<Item = &'static Published> + use<> {
    let wanted = (bench.to_owned(), machine.to_owned(), row.to_owned());
    ALL.iter().filter(move |figure| {
        (figure.bench, figure.machine, figure.row)
            == (wanted.0.as_str(), wanted.1.as_str(), wanted.2.as_str())
    })
}
