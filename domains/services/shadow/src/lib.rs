//! What every shadow needs: repeat a call on the successor of a dead domain.
//!
//! A shadow implements the interface of the domain it guards. [`Guard`] makes
//! its calls: when one meets the death of that domain, the thread waits until
//! the supervisor has redirected the proxy to a successor, and calls again. It
//! knows nothing of any interface; what may be repeated, and what must be
//! brought back first, is the shadow's business.
#![no_std]
#![forbid(unsafe_code)]

use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};

use exchange::{Incarnation, Interface, Proxy, RpcResult};
use runtime::sync::Mutex;
use runtime::time::{Duration, Instant};
use runtime::{OptionError, Options, ServiceError, log};

/// Deaths one call survives when nothing else is said. At the second one the call itself
/// is what kills the domain; made again and again, it would end the system.
const ATTEMPTS: u64 = 1;
/// Longest wait for one successor when nothing else is said.
const PATIENCE_MS: u64 = 30_000;

/// The domain behind a shadow.
pub struct Guard<I: ?Sized + Interface> {
    proxy: Proxy<I>,
    /// The life that is known not to be over, unless the proxy leads elsewhere.
    known: Mutex<Incarnation>,
    attempts: u64,
    patience: Duration,
    /// The death whose end was reported last, nanoseconds since boot.
    reported_ns: AtomicU64,
}

impl<I: ?Sized + Interface> fmt::Debug for Guard<I> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Guard({:?})", self.proxy)
    }
}

/// A call cannot be repeated any more: the domain died at each attempt, or it
/// has no successor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lost;

/// Deaths that one call has met.
#[derive(Debug, Default)]
pub struct Deaths {
    count: u64,
    last_ns: u64,
}

impl<I: ?Sized + Interface> Guard<I> {
    /// Guards what `proxy` leads to. Options: `attempts`, deaths that one call
    /// survives; `patience_ms`, the longest wait for a successor.
    ///
    /// # Errors
    /// [`OptionError`].
    pub fn new(proxy: Proxy<I>, options: &Options) -> Result<Self, OptionError> {
        Ok(Self {
            known: Mutex::new(Proxy::incarnation(&proxy)),
            proxy,
            attempts: options.number("attempts", ATTEMPTS)?,
            patience: Duration::from_millis(options.number("patience_ms", PATIENCE_MS)?),
            reported_ns: AtomicU64::new(0),
        })
    }

    /// The guarded object, to be called without repetition.
    #[inline(always)]
    pub const fn object(&self) -> &Proxy<I> {
        &self.proxy
    }

    /// The life of the guarded domain that a call would enter now.
    #[inline(always)]
    #[must_use]
    pub fn incarnation(&self) -> Incarnation {
        Proxy::incarnation(&self.proxy)
    }

    /// Makes a call, and again on each successor if the domain dies under it.
    ///
    /// An answer that `is_doubtful` counts as none if the domain is dying: it
    /// may have seen its device being taken away.
    ///
    /// # Errors
    /// `DomainDead` if the call is lost.
    #[inline(always)]
    pub fn call<R>(
        &self,
        is_doubtful: impl Fn(&R) -> bool,
        call: impl Fn(&Proxy<I>) -> RpcResult<R>,
    ) -> RpcResult<R> {
        // Which life answers is not noted before: that would be two more stores
        // in every crossing.
        match call(&self.proxy) {
            Ok(answer) if !is_doubtful(&answer) => Ok(answer),
            // Apart, so that no answer is put together that is not needed.
            Ok(answer) => self.call_again(Ok(answer), is_doubtful, call),
            Err(error) => self.call_again(Err(error), is_doubtful, call),
        }
    }

    /// Goes on after a first attempt that `answer` came of: for a shadow whose further
    /// ones differ from it, by what has to be brought back before.
    ///
    /// # Errors
    /// As for [`Self::call`].
    #[cold]
    #[inline(never)]
    pub fn call_again<R>(
        &self,
        mut answer: RpcResult<R>,
        is_doubtful: impl Fn(&R) -> bool,
        call: impl Fn(&Proxy<I>) -> RpcResult<R>,
    ) -> RpcResult<R> {
        let mut deaths = Deaths::default();
        loop {
            let over = self.life_that_is_over();
            let is_void = match &answer {
                Ok(answer) => is_doubtful(answer) && over.is_some(),
                Err(error) => error.is_domain_dead(),
            };
            if !is_void {
                self.report(&deaths);
                return answer;
            }
            if self.go_on(over, &mut deaths).is_err() {
                return answer;
            }
            answer = call(&self.proxy);
        }
    }

    /// The life that a call enters now, if it is over; else the known one, if the proxy
    /// leads elsewhere.
    fn life_that_is_over(&self) -> Option<Incarnation> {
        let now = self.incarnation();
        if !now.is_alive() {
            return Some(now);
        }
        let known = *self.known.lock();
        (known != now).then_some(known)
    }

    /// Waits for the successor of a life and gets to know it. `None`: a call met
    /// its end, but another call has seen to that.
    fn go_on(&self, over: Option<Incarnation>, deaths: &mut Deaths) -> Result<(), Lost> {
        let Some(over) = over else {
            return self.count(deaths);
        };
        self.wait(over, deaths)?;
        *self.known.lock() = self.incarnation();
        Ok(())
    }

    /// Counts a death that a call has met.
    fn count(&self, deaths: &mut Deaths) -> Result<(), Lost> {
        if deaths.count >= self.attempts {
            log::error!("a call met {} deaths and is given up", deaths.count + 1);
            return Err(Lost);
        }
        deaths.count += 1;
        Ok(())
    }

    /// Waits for the successor of a dead incarnation, and counts the death.
    ///
    /// # Errors
    /// [`Lost`].
    pub fn wait(&self, dead: Incarnation, deaths: &mut Deaths) -> Result<(), Lost> {
        self.count(deaths)?;
        let deadline = Instant::now() + self.patience;
        match Proxy::wait_for_successor(&self.proxy, dead, deadline.nanoseconds()) {
            Ok(died_ns) => {
                deaths.last_ns = died_ns;
                Ok(())
            }
            Err(error) => {
                if error != ServiceError::NotFound {
                    log::error!(
                        "no successor in {} ms: {error:?}",
                        self.patience.as_millis()
                    );
                }
                Err(Lost)
            }
        }
    }

    /// Notes in the log, once for each death, how long after it the first call
    /// was answered.
    pub fn report(&self, deaths: &Deaths) {
        if deaths.count == 0 {
            return;
        }
        let before = self
            .reported_ns
            .fetch_max(deaths.last_ns, Ordering::Relaxed);
        if deaths.last_ns > before {
            let now_ns = Instant::now().nanoseconds();
            let time_us = now_ns.saturating_sub(deaths.last_ns) / 1_000;
            log::info!("recovered: first call answered {time_us} µs after the death");
        }
    }
}
