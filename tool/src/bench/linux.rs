//! Linux as a guest of the same QEMU, with fio on the same kind of drive.
//!
//! Kernel, busybox and fio come from Debian's packages, which are downloaded
//! and unpacked but not installed. Where that is impossible the rows are left
//! out, and one line says why.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::initramfs::Initramfs;
use super::rows::Row;
use crate::progress::Step;
use crate::run::machine::accelerator;
use crate::run::session::{self, Capture, Streams};
use crate::tree::Tree;

/// In front of fio's report of a job, with its operation and depth.
const JOB_MARK: &str = "redleaf-job ";
/// After the last report.
const END_MARK: &str = "redleaf-end";

/// Seconds each job runs.
const JOB_S: u32 = 2;
/// Longest time from the guest's launch to its end.
const LIMIT: Duration = Duration::from_secs(75);

/// Modules fio's drive needs; those they depend on are found by themselves.
/// The first two are implementations of checksums, which later kernels have
/// built in.
const MODULES: [&str; 3] = ["crct10dif_generic", "crc64_rocksoft_generic", "nvme"];

/// The jobs: fio's name of the operation, ours, and the depth.
const JOBS: [(&str, &str, usize); 4] = [
    ("randread", "read", 1),
    ("randread", "read", 32),
    ("randwrite", "write", 1),
    ("randwrite", "write", 32),
];

/// A Linux guest, ready to be booted.
pub struct Guest {
    kernel: PathBuf,
    initramfs: PathBuf,
}

impl Guest {
    /// Fetches and packs what the guest needs, unless an earlier run has.
    ///
    /// # Errors
    /// In one line, why there is no guest.
    pub fn prepare(tree: &Tree) -> Result<Self, String> {
        let folder = tree.make_target("bench/linux").map_err(text)?;
        let guest = Self {
            kernel: folder.join("vmlinuz"),
            initramfs: folder.join("initramfs.cpio"),
        };
        if guest.kernel.is_file() && guest.initramfs.is_file() {
            return Ok(guest);
        }
        let step = Step::start("fetching a Linux kernel, busybox and fio, to compare with (90 MB)");
        let root = fetch(&folder)?;
        step.detail("packing them");
        let archive = pack(&root)?;
        fs::write(&guest.initramfs, archive).map_err(text)?;
        let kernel = find(&root.join("boot"), &|name| name.starts_with("vmlinuz-"))
            .ok_or("the kernel package has no vmlinuz")?;
        fs::copy(kernel, &guest.kernel).map_err(text)?;
        // Only the two files are needed from now on.
        let _ = fs::remove_dir_all(root);
        let _ = fs::remove_dir_all(folder.join("packages"));
        Ok(guest)
    }

    /// Boots the guest and runs the jobs; a row for each.
    ///
    /// # Errors
    /// In one line, what went wrong.
    pub fn run(&self) -> Result<Vec<Row>, String> {
        let console = Capture::default();
        let streams = Streams {
            console: Box::new(console.clone()),
            log: Box::new(std::io::sink()),
            is_interactive: false,
            proof: session::Proof::default(),
        };
        session::watch(self.command(), streams, Some(LIMIT)).map_err(text)?;
        let console = String::from_utf8_lossy(&console.take()).into_owned();
        if !console.contains(END_MARK) {
            let last = console.lines().rfind(|line| !line.trim().is_empty());
            return Err(format!(
                "the Linux guest did not end within {} s; its last line: {}",
                LIMIT.as_secs(),
                last.unwrap_or("none")
            ));
        }
        rows(&console)
    }

    /// QEMU as for our own benchmark, but with two processors: with one, Linux
    /// 6.1 can wait for ever for a completion of QEMU 7.2's shadow doorbells.
    fn command(&self) -> Command {
        let mut command = Command::new("qemu-system-x86_64");
        command
            .args(["-machine", "q35", "-cpu", "max", "-accel", accelerator()])
            .args(["-smp", "2", "-m", "1024M", "-nodefaults", "-no-user-config"])
            .args(["-display", "none", "-no-reboot", "-serial", "stdio"])
            .arg("-kernel")
            .arg(&self.kernel)
            .arg("-initrd")
            .arg(&self.initramfs)
            .args(["-append", "console=ttyS0 quiet panic=-1"])
            .args(["-drive", "file=null-co://,format=raw,if=none,id=disk0"])
            .args(["-device", "nvme,serial=redleaf0,drive=disk0"]);
        command
    }
}

/// Downloads and unpacks the packages; the folder with their files.
fn fetch(folder: &Path) -> Result<PathBuf, String> {
    let packages = folder.join("packages");
    let root = folder.join("root");
    fs::create_dir_all(packages.join("partial")).map_err(text)?;
    let kernel = kernel_package()?;
    apt(&packages, &["download", &kernel])?;
    // What fio needs and the host has is taken from the host afterwards.
    let cache = format!("Dir::Cache::archives={}", packages.display());
    let install = [
        "install",
        "--yes",
        "--download-only",
        "--reinstall",
        "--no-install-recommends",
        "-o",
        "Debug::NoLocking=1",
        "-o",
        &cache,
        "fio",
        "busybox-static",
    ];
    apt(&packages, &install)?;
    for entry in fs::read_dir(&packages).map_err(text)?.flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|end| end == "deb") {
            let mut unpack = Command::new("dpkg-deb");
            unpack.arg("-x").arg(&path).arg(&root);
            output(unpack)?;
        }
    }
    Ok(root)
}

/// Name of the package that Debian's kernel of the day is in.
fn kernel_package() -> Result<String, String> {
    let depends = || {
        let mut ask = Command::new("apt-cache");
        ask.args(["depends", "linux-image-amd64"]);
        let listed = output(ask)?;
        let name = listed
            .lines()
            .filter_map(|line| line.trim().strip_prefix("Depends: "))
            .find(|name| name.starts_with("linux-image-"));
        name.map(str::to_owned)
            .ok_or_else(|| "apt knows no package linux-image-amd64".to_owned())
    };
    depends().or_else(|_| {
        // The lists may never have been fetched. Only root may.
        let _ = apt(Path::new("/"), &["update"]);
        depends()
    })
}

fn apt(folder: &Path, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new("apt-get");
    command.arg("-qq").args(arguments).current_dir(folder);
    command.env("DEBIAN_FRONTEND", "noninteractive");
    output(command)
}

/// Runs a program; what it printed.
fn output(mut command: Command) -> Result<String, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let done = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot start {program}: {error}"))?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    let errors = String::from_utf8_lossy(&done.stderr).into_owned();
    let last = errors.lines().last().unwrap_or("no message").trim();
    Err(format!("{program} failed: {last}"))
}

/// The guest's first root directory.
fn pack(root: &Path) -> Result<Vec<u8>, String> {
    let read = |path: &Path| fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
    let mut archive = Initramfs::default();
    for folder in [
        "bin", "dev", "lib", "lib64", "modules", "proc", "sys", "tmp",
    ] {
        archive.directory(folder);
    }
    archive.file("init", init_script().as_bytes());
    let busybox = find(root, &|name| name == "busybox").ok_or("no busybox in its package")?;
    archive.file("bin/busybox", &read(&busybox)?);
    let fio = root.join("usr/bin/fio");
    archive.file("bin/fio", &read(&fio)?);
    for library in libraries(root, &fio)? {
        let name = file_name(&library);
        let place = if name.starts_with("ld-linux") {
            "lib64"
        } else {
            "lib"
        };
        archive.file(&format!("{place}/{name}"), &read(&library)?);
    }
    let mut modules = Vec::new();
    for name in MODULES {
        collect_module(root, name, &mut modules)?;
    }
    for (index, (name, content)) in modules.iter().enumerate() {
        archive.file(&format!("modules/{index:02}-{name}.ko"), content);
    }
    Ok(archive.finish())
}

/// The libraries a program is linked with, from its package or the host.
fn libraries(root: &Path, program: &Path) -> Result<Vec<PathBuf>, String> {
    let libraries = root.join("usr/lib/x86_64-linux-gnu");
    let places = [
        libraries.clone(),
        libraries.join("ceph"),
        root.join("lib/x86_64-linux-gnu"),
    ];
    let places = std::env::join_paths(places).map_err(text)?;
    let mut ask = Command::new("ldd");
    ask.arg(program).env("LD_LIBRARY_PATH", places);
    let mut found = Vec::new();
    for line in output(ask)?.lines() {
        if line.contains("not found") {
            return Err(format!("fio lacks a library: {}", line.trim()));
        }
        // `name => path (address)`, or `path (address)` for the loader.
        let path = line.split_whitespace().find(|word| word.starts_with('/'));
        found.extend(path.map(PathBuf::from));
    }
    Ok(found)
}

/// Adds a module after those it depends on. One that does not exist is built
/// into the kernel, or nothing this kernel has.
fn collect_module(
    root: &Path,
    name: &str,
    modules: &mut Vec<(String, Vec<u8>)>,
) -> Result<(), String> {
    if modules.iter().any(|(known, _)| known == name) {
        return Ok(());
    }
    if let Some(content) = read_module(root, name)? {
        // Modules that depend on each other in a circle could not be loaded.
        for needed in dependencies(&content) {
            collect_module(root, &needed, modules)?;
        }
        modules.push((name.to_owned(), content));
    }
    Ok(())
}

fn read_module(root: &Path, name: &str) -> Result<Option<Vec<u8>>, String> {
    let is_module = |file: &str| {
        let plain = file.strip_suffix(".xz").unwrap_or(file);
        // Names of modules do not tell - and _ apart.
        plain.strip_suffix(".ko").map(|stem| stem.replace('-', "_")) == Some(name.replace('-', "_"))
    };
    let Some(path) = find(root, &is_module) else {
        return Ok(None);
    };
    if path.extension().is_some_and(|end| end == "xz") {
        let plain = path.with_extension("");
        let mut unpack = Command::new("xz");
        unpack
            .args(["--decompress", "--keep", "--force"])
            .arg(&path);
        output(unpack)?;
        return fs::read(plain).map(Some).map_err(text);
    }
    fs::read(path).map(Some).map_err(text)
}

/// What a module's information says it depends on.
fn dependencies(module: &[u8]) -> Vec<String> {
    const KEY: &[u8] = b"\0depends=";
    let Some(start) = module.windows(KEY.len()).position(|part| part == KEY) else {
        return Vec::new();
    };
    let rest = &module[start + KEY.len()..];
    let end = rest.iter().position(|byte| *byte == 0).unwrap_or(0);
    let names = String::from_utf8_lossy(&rest[..end]).into_owned();
    let names = names.split(',').filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

/// The first file below a folder whose name is wanted.
fn find(folder: &Path, is_wanted: &dyn Fn(&str) -> bool) -> Option<PathBuf> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).ok()?.flatten() {
            let path = entry.path();
            let kind = entry.file_type().ok()?;
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() && is_wanted(&file_name(&path)) {
                return Some(path);
            }
        }
    }
    None
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// What the guest does: loads the driver with a queue for polling, then runs
/// fio's defaults with io_uring, polled.
fn init_script() -> String {
    let mut script = "#!/bin/busybox sh\n\
        export PATH=/bin LD_LIBRARY_PATH=/lib\n\
        busybox mount -t proc proc /proc\n\
        busybox mount -t sysfs sys /sys\n\
        busybox mount -t devtmpfs dev /dev\n\
        for module in /modules/*.ko; do\n\
        case $module in\n\
        *-nvme.ko) busybox insmod $module poll_queues=1 ;;\n\
        *) busybox insmod $module ;;\n\
        esac\n\
        done\n\
        tries=0\n\
        while [ ! -b /dev/nvme0n1 ] && [ $tries -lt 100 ]; do\n\
        busybox sleep 0.1; tries=$((tries + 1))\n\
        done\n"
        .to_owned();
    for (operation, _, depth) in JOBS {
        script += &format!(
            "echo '{JOB_MARK}{operation} {depth}'\n\
             fio --name=job --filename=/dev/nvme0n1 --ioengine=io_uring --hipri=1 --direct=1 \
             --rw={operation} --bs=4k --iodepth={depth} --time_based --runtime={JOB_S} \
             --output-format=json\n"
        );
    }
    script + &format!("echo '{END_MARK}'\nbusybox poweroff -f\n")
}

/// The name of a job's row.
pub fn row_name(verb: &str, depth: usize) -> String {
    format!("Linux fio io_uring polled, {verb}, depth {depth}")
}

/// The rows of what the guest printed.
fn rows(console: &str) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    for part in console.split(JOB_MARK).skip(1) {
        let (job, report) = part.split_once('\n').unwrap_or((part, ""));
        let (operation, depth) = job.trim().split_once(' ').unwrap_or_default();
        let job = JOBS
            .iter()
            .find(|job| job.0 == operation && job.2.to_string() == depth);
        let (_, verb, depth) = job.ok_or_else(|| format!("fio ran an unknown job: {operation}"))?;
        let report = json_part(report).ok_or("fio printed no report")?;
        let report: Value = serde_json::from_str(report).map_err(text)?;
        let side = &report["jobs"][0][verb];
        let iops = side["iops"].as_f64().unwrap_or_default();
        if iops <= 0.0 {
            return Err(format!("fio made no request: {operation}, depth {depth}"));
        }
        let slow_ns = side["clat_ns"]["percentile"]["99.000000"].as_f64();
        rows.push(Row {
            name: row_name(verb, *depth),
            unit: "per_second".to_owned(),
            median: iops,
            // The rate at the latency that 99 of 100 requests do not exceed.
            p99: slow_ns.map_or(iops, |ns| *depth as f64 * 1e9 / ns.max(1.0)),
            baseline: None,
            ratio: None,
        });
    }
    Ok(rows)
}

/// From the first line that opens an object to the last that closes it.
fn json_part(text: &str) -> Option<&str> {
    let start = text.find("{")?;
    let end = text.rfind("\n}")? + 2;
    text.get(start..end)
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_become_rows_whatever_the_kernel_says_between() {
        let console = "booting\r\nredleaf-job randread 1\r\n[ 1.0] noise\r\n{\r\n \"jobs\": [{\"read\": \
             {\"iops\": 5000.5, \"clat_ns\": {\"percentile\": {\"99.000000\": 400000}}}}]\r\n}\r\n\
             redleaf-job randwrite 32\r\n{\n \"jobs\": [{\"write\": {\"iops\": 7.0}}]\n}\nredleaf-end\n";
        let rows = rows(console).unwrap();
        assert_eq!(rows[0].name, "Linux fio io_uring polled, read, depth 1");
        assert_eq!((rows[0].median, rows[0].p99), (5000.5, 2500.0));
        assert_eq!((rows[1].median, rows[1].p99), (7.0, 7.0));
    }

    #[test]
    fn a_job_without_requests_is_an_error() {
        assert!(rows("redleaf-job randread 1\nno report\n").is_err());
        assert!(rows("redleaf-job randread 1\n{\n\"jobs\": []\n}\n").is_err());
        assert!(rows("redleaf-job trim 1\n{\n}\n").is_err());
        assert_eq!(rows("nothing").unwrap(), []);
    }

    #[test]
    fn modules_name_what_they_depend_on() {
        let module = b"\x7fELF\0license=GPL\0depends=nvme-core,t10-pi\0retpoline=Y\0";
        assert_eq!(dependencies(module), ["nvme-core", "t10-pi"]);
        assert_eq!(dependencies(b"\0depends=\0"), Vec::<String>::new());
        assert_eq!(dependencies(b"nothing"), Vec::<String>::new());
    }

    #[test]
    fn modules_follow_those_they_depend_on() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, depends: &str| {
            let content = format!("\0depends={depends}\0");
            fs::write(folder.path().join(name), content).unwrap();
        };
        write("nvme.ko", "nvme-core");
        write("nvme-core.ko", "t10-pi,built-in");
        write("t10-pi.ko", "");
        let mut modules = Vec::new();
        collect_module(folder.path(), "nvme", &mut modules).unwrap();
        let names: Vec<_> = modules.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["t10-pi", "nvme-core", "nvme"]);
    }
}
