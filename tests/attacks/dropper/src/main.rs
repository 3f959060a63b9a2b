//! Offers objects that do something when their last holder drops them.
#![cfg_attr(redleaf_image, no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::sync::Arc;
use core::hint::spin_loop;

use exchange::{Proxy, RpcResult};
use interfaces::succession::{RRefState, Stateful, Succession};
use runtime::thread;
use runtime::time::Duration;
use runtime::{Options, StartError, domain, log};

/// An object whose destructor is up to something.
struct Trap {
    way: Way,
    succession: Arc<Proxy<dyn Succession>>,
}

#[derive(Clone, Copy)]
enum Way {
    Nothing,
    Loop,
    Panic,
    Block,
    Reenter,
}

/// Offers a trap to the supervisor, and another object in its place: the supervisor
/// drops the trap. Option: `way`.
#[domain]
fn dropper(succession: Proxy<dyn Succession>, options: Options) -> Result<(), StartError> {
    let way = match options.required("way")? {
        "loop" => Way::Loop,
        "panic" => Way::Panic,
        "block" => Way::Block,
        "reenter" => Way::Reenter,
        other => return Err(StartError::new(format_args!("{other}: no way to drop"))),
    };
    let succession = Arc::new(succession);
    let spawned = thread::spawn("dropper", thread::Priority::Normal, move || {
        // Until the supervisor has started everything.
        thread::sleep(Duration::from_millis(100));
        for way in [way, way, Way::Nothing] {
            if offer(way, &succession).is_err() {
                log::info!("the supervisor does not answer");
                return;
            }
        }
        log::info!("the supervisor dropped it and goes on");
    });
    spawned.map(drop).map_err(|_| StartError::new("no thread"))
}

fn offer(way: Way, succession: &Arc<Proxy<dyn Succession>>) -> RpcResult<()> {
    let trap: Arc<dyn Stateful> = Arc::new(Trap {
        way,
        succession: Arc::clone(succession),
    });
    match Proxy::try_export(trap) {
        Ok(trap) => succession.offer(trap),
        Err(_) => Ok(()),
    }
}

impl Stateful for Trap {
    fn hand_over(&self) -> RpcResult<Option<RRefState>> {
        Ok(None)
    }
}

impl Drop for Trap {
    fn drop(&mut self) {
        match self.way {
            Way::Nothing => {}
            Way::Loop => loop {
                spin_loop();
            },
            Way::Panic => panic!("dropped"),
            Way::Block => loop {
                thread::sleep(Duration::from_secs(1000));
            },
            // Makes the supervisor drop another one while this is dropped.
            Way::Reenter => {
                let answers = [Way::Nothing, Way::Nothing].map(|way| offer(way, &self.succession));
                log::info!("from a destructor: {}", answers.iter().all(Result::is_ok));
            }
        }
    }
}
