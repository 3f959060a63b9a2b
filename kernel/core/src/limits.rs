//! What a domain may use, and what it uses: one that takes more ends.
//!
//! Things are counted where they are made. That cannot be done for objects of
//! the exchange heap, proxies among them: they change owners by one store, which
//! nothing may slow down. So what counts is what a domain takes from the heap's
//! pool, in batches, and how many proxies it makes. Once that could fill its
//! quota, [`count`] looks at all headers for what it really owns; if it gave most
//! of it away, the reaper looks for who hoards it ([`take_census`]).
//!
//! Whoever goes too far is condemned and ends where it holds nothing of the
//! kernel's: at the end of the service, or when an interrupt disturbs it.
//!
//! **Invariant:** an allocation from a CPU's own list and a change of owner
//! count nothing.
//! **Invariant:** a domain owns at most a sixteenth, and one batch for each CPU
//! and size, more than its quota before it is noticed.

use core::fmt::Write;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use abi::death::DeathCause;
use abi::exchange::ObjectKind;
use abi::limits::Limits;
use abi::note::Name;

use crate::domain::{self, Domain};
use crate::log::Speaker;
use crate::record::name_text;
use crate::scheduler::SLICE_NS;
use crate::sync::SpinLock;
use crate::tally::Tally;
use crate::thread::{self, Thread, ThreadState, control};
use crate::{death, exchange, machine};

/// Bytes of exchange objects when nothing else is said.
const DEFAULT_EXCHANGE_BYTES: u64 = 64 << 20;

/// Threads when nothing else is said.
const DEFAULT_THREADS: u32 = 64;

/// Proxies held, and objects exported, when nothing else is said.
const DEFAULT_HANDLES: u32 = 1024;

/// Lines in a second when nothing else is said.
const DEFAULT_LOG_LINES: u32 = 500;

/// Times its lines of a second that a domain may have left out, without a second
/// of rest, before it ends.
const FLOOD: u32 = 50;

/// Deaths of programs in a second that are told, of those that a domain has started.
const DEATHS: u32 = 32;

/// Time that log lines and CPU time are counted in.
const PERIOD_NS: u64 = 1_000_000_000;

/// Most CPU time that is charged at once, as in [`crate::watchdog`]: a CPU that
/// stood still did not spend the time.
const MOST_NS: u64 = 2 * SLICE_NS;

/// Somebody gave away much of what it took.
static CENSUS_IS_WANTED: AtomicBool = AtomicBool::new(false);

/// Limits of a domain, and what is known of its use.
#[derive(Debug)]
pub(crate) struct Usage {
    watchdog_ns: AtomicU64,
    exchange_bytes: AtomicU64,
    handles: AtomicU32,
    threads: AtomicU32,
    log_lines: AtomicU32,
    /// CPU time in a period; 0: no limit.
    cpu_ns: AtomicU64,
    /// The cause it is to die of; 0: none.
    verdict: AtomicU32,
    /// What it owns has to be counted.
    is_count_due: AtomicBool,
    bytes: Allowance,
    proxies: Allowance,
    exports: Tally,
    log: LogRate,
    /// Of records of programs that it has started, instead of lines.
    deaths: LogRate,
    cpu_period: AtomicU64,
    cpu_spent_ns: AtomicU64,
    /// Counted by the reaper: bytes and proxies that it owns.
    census: [AtomicU64; 2],
}

/// What may be taken until what is owned has to be counted.
#[derive(Debug)]
struct Allowance {
    taken: AtomicU64,
    room: AtomicU64,
}

impl Allowance {
    const fn new() -> Self {
        Self {
            taken: AtomicU64::new(0),
            room: AtomicU64::new(0),
        }
    }

    /// Notes that so much was taken; whether it is time to count.
    fn take(&self, amount: u64) -> bool {
        let taken = self.taken.fetch_add(amount, Ordering::Relaxed) + amount;
        taken > self.room.load(Ordering::Relaxed)
    }

    /// Makes room after a count; how much had been taken.
    fn renew(&self, limit: u64, owned: u64) -> u64 {
        let room = (limit.saturating_sub(owned) / 2).max(limit / 16);
        self.room.store(room, Ordering::Relaxed);
        self.taken.swap(0, Ordering::Relaxed)
    }
}

/// Lines logged in this second.
#[derive(Debug)]
struct LogRate {
    second: AtomicU64,
    lines: AtomicU32,
    left_out: AtomicU32,
    /// Lines left out since the last second without any.
    flood: AtomicU32,
}

/// What becomes of a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Line {
    /// It is written, and before it how many were left out.
    Written { left_out: u32 },
    /// It is left out, the first of its second or not.
    LeftOut { is_first: bool },
    /// It is left out, like far too many.
    Flood,
}

impl LogRate {
    const fn new() -> Self {
        Self {
            second: AtomicU64::new(0),
            lines: AtomicU32::new(0),
            left_out: AtomicU32::new(0),
            flood: AtomicU32::new(0),
        }
    }

    fn begin(&self) {
        self.second.store(0, Ordering::Relaxed);
        self.lines.store(0, Ordering::Relaxed);
        self.left_out.store(0, Ordering::Relaxed);
        self.flood.store(0, Ordering::Relaxed);
    }

    /// Decides about a line. Threads that log at the same time may be taken for
    /// one another; a line more or less does not matter.
    fn judge(&self, second: u64, limit: u32) -> Line {
        let last = self.second.swap(second, Ordering::Relaxed);
        let mut before = 0;
        if last != second {
            before = self.left_out.swap(0, Ordering::Relaxed);
            self.lines.store(0, Ordering::Relaxed);
            if before == 0 || second > last + 1 {
                self.flood.store(0, Ordering::Relaxed);
            }
        }
        if self.lines.fetch_add(1, Ordering::Relaxed) < limit {
            return Line::Written { left_out: before };
        }
        let left_out = self.left_out.fetch_add(1, Ordering::Relaxed);
        let flood = self.flood.fetch_add(1, Ordering::Relaxed);
        if flood >= limit.saturating_mul(FLOOD) {
            Line::Flood
        } else {
            Line::LeftOut {
                is_first: left_out == 0,
            }
        }
    }
}

const fn or_default(given: u32, default: u32) -> u32 {
    if given == 0 { default } else { given }
}

impl Usage {
    /// Nobody's.
    pub(crate) const fn new() -> Self {
        Self {
            watchdog_ns: AtomicU64::new(0),
            exchange_bytes: AtomicU64::new(0),
            handles: AtomicU32::new(0),
            threads: AtomicU32::new(0),
            log_lines: AtomicU32::new(0),
            cpu_ns: AtomicU64::new(0),
            verdict: AtomicU32::new(0),
            is_count_due: AtomicBool::new(false),
            bytes: Allowance::new(),
            proxies: Allowance::new(),
            exports: Tally::new(),
            log: LogRate::new(),
            deaths: LogRate::new(),
            cpu_period: AtomicU64::new(0),
            cpu_spent_ns: AtomicU64::new(0),
            census: [const { AtomicU64::new(0) }; 2],
        }
    }

    /// Sets the limits of a new domain, which has used nothing.
    pub(crate) fn begin(&self, generation: u64, limits: &Limits) {
        let exchange_bytes = match limits.exchange_bytes {
            0 => DEFAULT_EXCHANGE_BYTES,
            bytes => bytes,
        };
        let handles = or_default(limits.handles, DEFAULT_HANDLES);
        let threads = or_default(limits.threads, DEFAULT_THREADS);
        let log_lines = or_default(limits.log_lines, DEFAULT_LOG_LINES);
        let cpu_ns = u64::from(limits.cpu_percent) * (PERIOD_NS / 100);
        self.watchdog_ns
            .store(limits.watchdog_ns, Ordering::Relaxed);
        self.exchange_bytes.store(exchange_bytes, Ordering::Relaxed);
        self.handles.store(handles, Ordering::Relaxed);
        self.threads.store(threads, Ordering::Relaxed);
        self.log_lines.store(log_lines, Ordering::Relaxed);
        self.cpu_ns.store(cpu_ns, Ordering::Relaxed);
        self.verdict.store(0, Ordering::Relaxed);
        self.is_count_due.store(false, Ordering::Relaxed);
        self.bytes.renew(exchange_bytes, 0);
        self.proxies.renew(handles.into(), 0);
        self.exports.begin(generation);
        self.log.begin();
        self.deaths.begin();
        self.cpu_spent_ns.store(0, Ordering::Relaxed);
    }

    /// Longest time in one call; 0: no limit.
    pub(crate) fn watchdog_ns(&self) -> u64 {
        self.watchdog_ns.load(Ordering::Relaxed)
    }

    fn condemn(&self, cause: DeathCause) {
        self.verdict.store(cause as u32, Ordering::Relaxed);
        enforce_later();
    }

    /// Charges CPU time; whether that was more than its share.
    pub(crate) fn spend_cpu(&self, now_ns: u64, ran_ns: u64) -> bool {
        let limit_ns = self.cpu_ns.load(Ordering::Relaxed);
        if limit_ns == 0 {
            return false;
        }
        let period = now_ns / PERIOD_NS;
        if self.cpu_period.swap(period, Ordering::Relaxed) != period {
            self.cpu_spent_ns.store(0, Ordering::Relaxed);
        }
        let ran_ns = ran_ns.min(MOST_NS);
        let spent_ns = self.cpu_spent_ns.fetch_add(ran_ns, Ordering::Relaxed) + ran_ns;
        let is_over = spent_ns > limit_ns;
        if is_over {
            self.verdict
                .store(DeathCause::CpuShare as u32, Ordering::Relaxed);
        }
        is_over
    }

    /// Notes a new export of the current domain.
    pub(crate) fn add_export(&self, generation: u64) {
        let before = self.exports.add(generation, 1);
        if before >= self.handles.load(Ordering::Relaxed).into() {
            self.condemn(DeathCause::HandleLimit);
        }
    }

    /// Notes that an export went.
    pub(crate) fn remove_export(&self, generation: u64) {
        self.exports.take_one(generation);
    }

    fn is_over(&self, bytes: u64, proxies: u64) -> Option<DeathCause> {
        if proxies > self.handles.load(Ordering::Relaxed).into() {
            Some(DeathCause::HandleLimit)
        } else if bytes > self.exchange_bytes.load(Ordering::Relaxed) {
            Some(DeathCause::ExchangeQuota)
        } else {
            None
        }
    }
}

/// Makes the current thread [`enforce`] at the end of its service.
fn enforce_later() {
    crate::watchdog::look_later();
}

/// The current domain takes so many bytes from the pool of the exchange heap. It
/// may end here, so nothing must be held unless a service is being executed.
pub(crate) fn take_exchange(bytes: usize) {
    let domain = domain::current();
    if domain.is_kernel() || !domain.usage.bytes.take(bytes as u64) {
        return;
    }
    if holds_nothing() {
        count(domain, bytes as u64);
        enforce();
    } else {
        domain.usage.is_count_due.store(true, Ordering::Relaxed);
        enforce_later();
    }
}

/// Whether the current thread may end its domain here, and has the stack to.
fn holds_nothing() -> bool {
    let control = control();
    // SAFETY: the control block is the running thread's own.
    unsafe {
        (*control).kernel_depth == 0
            && (*control).preempt_off == 0
            && thread::stack_pointer() >= (*control).stack_limit
    }
}

/// A proxy was made for the current domain.
pub(crate) fn take_proxy() {
    let domain = domain::current();
    if !domain.is_kernel() && domain.usage.proxies.take(1) {
        domain.usage.is_count_due.store(true, Ordering::Relaxed);
        enforce_later();
    }
}

/// Counts what the current domain owns, and condemns it if that and `wanted`
/// bytes more are too much.
fn count(domain: &'static Domain, wanted: u64) {
    let usage = &domain.usage;
    let (bytes, proxies) = exchange::owned_by(domain.id());
    if let Some(cause) = usage.is_over(bytes + wanted, proxies) {
        return usage.condemn(cause);
    }
    let limit = usage.exchange_bytes.load(Ordering::Relaxed);
    let taken = usage.bytes.renew(limit, bytes);
    let limit = usage.handles.load(Ordering::Relaxed);
    let made = usage.proxies.renew(limit.into(), proxies);
    if bytes < taken / 2 || proxies < made / 2 {
        CENSUS_IS_WANTED.store(true, Ordering::Relaxed);
        death::noticed();
    }
}

/// Ends the current domain if it is condemned. Nothing may be held.
pub(crate) fn enforce() {
    let domain = domain::current();
    let usage = &domain.usage;
    if usage.is_count_due.load(Ordering::Relaxed) {
        usage.is_count_due.store(false, Ordering::Relaxed);
        count(domain, 0);
    }
    let verdict = usage.verdict.load(Ordering::Relaxed);
    if verdict == 0 || domain.is_kernel() {
        return;
    }
    if let Some(cause) = DeathCause::from_number(verdict) {
        let reason = Reason::new(usage, cause);
        death::end_current(cause, reason.text());
    }
}

/// What a crash record says besides the cause.
struct Reason {
    bytes: [u8; 64],
    used: usize,
}

impl Reason {
    fn new(usage: &Usage, cause: DeathCause) -> Self {
        let mut reason = Self {
            bytes: [0; 64],
            used: 0,
        };
        // What does not fit is left out.
        let _ = match cause {
            DeathCause::ExchangeQuota => {
                let limit = usage.exchange_bytes.load(Ordering::Relaxed);
                write!(reason, "{limit} bytes allowed")
            }
            DeathCause::ThreadLimit => {
                let limit = usage.threads.load(Ordering::Relaxed);
                write!(reason, "{limit} threads allowed")
            }
            DeathCause::HandleLimit => {
                let limit = usage.handles.load(Ordering::Relaxed);
                write!(reason, "{limit} proxies and exports allowed")
            }
            DeathCause::LogFlood => {
                let left_out = usage.log.left_out.swap(0, Ordering::Relaxed);
                write!(reason, "{left_out} lines were left out")
            }
            DeathCause::CpuShare => {
                let limit_ns = usage.cpu_ns.load(Ordering::Relaxed);
                write!(reason, "{} ms in a second allowed", limit_ns / 1_000_000)
            }
            _ => Ok(()),
        };
        reason
    }

    fn text(&self) -> &[u8] {
        &self.bytes[..self.used]
    }
}

impl Write for Reason {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let room = &mut self.bytes[self.used..];
        let count = text.len().min(room.len());
        room[..count].copy_from_slice(&text.as_bytes()[..count]);
        self.used += count;
        Ok(())
    }
}

/// Whether the current domain may make a thread with so large a stack. If not,
/// it is condemned.
pub(crate) fn may_spawn(domain: &'static Domain, stack_bytes: usize) -> bool {
    if domain.is_kernel() {
        return true;
    }
    // The one that drops its objects is not one of those it may make.
    let spare = u32::from(domain.returned.has_thread());
    let (mut threads, mut bytes) = (1, stack_bytes);
    let id = domain.id();
    thread::for_each(|thread: &Thread| {
        if thread.home == id && thread.state() != ThreadState::Ended {
            threads += 1;
            bytes += thread.stack_range().len();
        }
    });
    let limit = domain.usage.threads.load(Ordering::Relaxed);
    let limit = limit.saturating_add(spare);
    let may = threads <= limit && bytes <= limit as usize * thread::STACK_BYTES;
    if !may {
        domain.usage.condemn(DeathCause::ThreadLimit);
    }
    may
}

/// Whether the current domain may log a line now.
pub(crate) fn may_log(domain: &'static Domain) -> bool {
    let usage = &domain.usage;
    if domain.is_kernel() {
        return true;
    }
    let limit = usage.log_lines.load(Ordering::Relaxed);
    let second = machine::get().now_ns() / PERIOD_NS;
    match usage.log.judge(second, limit) {
        Line::Written { left_out } => {
            say_left_out(domain, left_out);
            return true;
        }
        Line::LeftOut { is_first: true } => {
            let name = domain.with(|body| body.name);
            let name = name_text(&name);
            warn_about(
                domain,
                format_args!(
                    "{name}: more than {limit} lines in a second: further ones are left out"
                ),
            );
        }
        Line::LeftOut { is_first: false } => {}
        // A service says what others ask for, and is not ended by them.
        Line::Flood if domain.is_program() => usage.condemn(DeathCause::LogFlood),
        Line::Flood => {}
    }
    false
}

fn say_left_out(domain: &'static Domain, count: u32) {
    if count != 0 {
        let name = domain.with(|body| body.name);
        let name = name_text(&name);
        warn_about(domain, format_args!("{name}: {count} lines were left out"));
    }
}

fn warn_about(domain: &Domain, text: core::fmt::Arguments<'_>) {
    crate::log::write_line(Speaker::about(domain), log::Level::Warn, text);
}

/// Whether the log tells of a domain's death. Of programs that die one after the other
/// it tells of so many, and then how many it left out: that is counted for the domain
/// that has started them.
pub(crate) fn may_tell_death(domain: &'static Domain) -> bool {
    if !domain.is_program() {
        return true;
    }
    let (parent, name) = domain.with(|body| (body.parent, body.name));
    let starter = domain::find(parent).unwrap_or(domain::kernel());
    let second = machine::get().now_ns() / PERIOD_NS;
    match starter.usage.deaths.judge(second, DEATHS) {
        Line::Written { left_out } => {
            say_deaths_left_out(domain, starter, left_out);
            return true;
        }
        Line::LeftOut { is_first: true } => {
            let name = name_text(&name);
            warn_about(
                domain,
                format_args!(
                    "{name} died, and more than {DEATHS} programs in a second: further \
                     deaths are left out"
                ),
            );
        }
        Line::LeftOut { is_first: false } | Line::Flood => {}
    }
    *LAST_LEFT_OUT.lock() = Some(name);
    false
}

/// The program whose death was left out last.
static LAST_LEFT_OUT: SpinLock<Option<Name>> = SpinLock::new(None);

fn say_deaths_left_out(domain: &Domain, starter: &'static Domain, count: u32) {
    if count == 0 {
        return;
    }
    let last = LAST_LEFT_OUT.lock().take();
    let last = last.as_ref().map_or("?", name_text);
    let starter = starter.with(|body| body.name);
    let starter = name_text(&starter);
    warn_about(
        domain,
        format_args!("{starter}: {count} deaths of programs were left out, the last of {last}"),
    );
}

/// Says how many lines of a dead domain were left out last.
pub(crate) fn finish_log(domain: &'static Domain) {
    say_left_out(domain, domain.usage.log.left_out.swap(0, Ordering::Relaxed));
    let deaths = domain.usage.deaths.left_out.swap(0, Ordering::Relaxed);
    say_deaths_left_out(domain, domain, deaths);
}

/// Counts what every domain owns, if somebody wants that, and ends those that
/// own too much. The reaper's.
pub(crate) fn take_census() {
    if !CENSUS_IS_WANTED.swap(false, Ordering::Relaxed) {
        return;
    }
    for domain in domain::living() {
        for counter in &domain.usage.census {
            counter.store(0, Ordering::Relaxed);
        }
    }
    let mut last = None;
    exchange::for_each(&mut |header| {
        let owner = header.owner.load(Ordering::Relaxed);
        let domain = last.filter(|domain: &&'static Domain| domain.id() == owner);
        last = domain.or_else(|| domain::find(owner));
        if let Some(domain) = last {
            let [bytes, proxies] = &domain.usage.census;
            bytes.fetch_add(exchange::footprint(header) as u64, Ordering::Relaxed);
            if header.kind.load(Ordering::Relaxed) == ObjectKind::Proxy as u32 {
                proxies.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    for domain in domain::living() {
        let [bytes, proxies] = &domain.usage.census;
        let owned = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        if let Some(cause) = domain.usage.is_over(owned(bytes), owned(proxies)) {
            death::begin(domain, cause, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_counted_before_its_quota_is_full() {
        let allowance = Allowance::new();
        allowance.renew(1600, 0);
        assert!(!allowance.take(800));
        assert!(allowance.take(1));
        // It owns nearly all: the next count comes after a sixteenth.
        assert_eq!(allowance.renew(1600, 1590), 801);
        assert!(!allowance.take(100));
        assert!(allowance.take(1));
    }

    #[test]
    fn lines_beyond_the_rate_are_left_out_and_counted() {
        let rate = LogRate::new();
        let written = Line::Written { left_out: 0 };
        assert_eq!(rate.judge(7, 2), written);
        assert_eq!(rate.judge(7, 2), written);
        assert_eq!(rate.judge(7, 2), Line::LeftOut { is_first: true });
        assert_eq!(rate.judge(7, 2), Line::LeftOut { is_first: false });
        assert_eq!(rate.judge(8, 2), Line::Written { left_out: 2 });
        assert_eq!(rate.judge(8, 2), written);
    }

    #[test]
    fn only_an_endless_flood_is_one() {
        let rate = LogRate::new();
        let limit = 10;
        for second in (0..1000).step_by(2) {
            // 400 lines too many, then a second of rest.
            for _ in 0..410 {
                assert_ne!(rate.judge(second, limit), Line::Flood);
            }
        }
        // Twice what it may, second after second.
        let mut lines = (2000..2100).flat_map(|second| [second; 20]);
        let end = lines.find(|second| rate.judge(*second, limit) == Line::Flood);
        assert_eq!(end, Some(2050));
    }

    #[test]
    fn cpu_time_is_counted_in_each_second() {
        let usage = Usage::new();
        usage.begin(
            1,
            &Limits {
                cpu_percent: 1,
                ..Limits::DEFAULT
            },
        );
        assert!(!usage.spend_cpu(PERIOD_NS, 8_000_000));
        assert!(!usage.spend_cpu(2 * PERIOD_NS, 8_000_000));
        assert!(usage.spend_cpu(2 * PERIOD_NS + 1, 8_000_000));
        usage.begin(1, &Limits::DEFAULT);
        assert!(!usage.spend_cpu(PERIOD_NS, u64::MAX));
    }
}
