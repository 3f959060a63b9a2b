//! Commands within commands: on the stack, then on a larger one, then refused.

use alloc::sync::Arc;

use runtime::sync::{Condvar, Mutex};
use runtime::thread::{self, Priority};
use shell_language::Command;

use crate::shell::{Flow, Shell};

/// Bytes of a stack that are left to the innermost command, beside the room for whom
/// it calls.
const LEFT_BYTES: usize = 32 * 1024;

/// Bytes of the stack that is made when the main thread's does not do. It is memory
/// from the start, so only a script that is deep pays for it.
const DEEP_BYTES: usize = 3 << 20;

/// Which stack a shell is on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Depth {
    is_main: bool,
}

impl Depth {
    /// On the main thread's.
    pub const fn of_main() -> Self {
        Self { is_main: true }
    }

    const fn of_deep() -> Self {
        Self { is_main: false }
    }
}

/// Whether another command might overflow the stack.
pub fn is_reached() -> bool {
    thread::stack_left() < LEFT_BYTES
}

/// What the thread with the larger stack leaves behind.
#[derive(Default)]
struct Outcome {
    left: Mutex<Option<(Shell, Flow)>>,
    is_there: Condvar,
}

impl Shell {
    /// Runs a command that the stack has no room for: on a larger one, if this is the
    /// first; else that is an error.
    pub fn run_deep(&mut self, command: &Command) -> Flow {
        if !self.depth.is_main {
            return self.refuse_depth();
        }
        let before = self.depth;
        let outcome = Arc::new(Outcome::default());
        let (filled, command) = (Arc::clone(&outcome), command.clone());
        // The thread has the shell meanwhile, and this one waits.
        let input = Arc::new(Mutex::new(Some(core::mem::take(self))));
        let given = Arc::clone(&input);
        let started = thread::spawn_with_stack("deep", Priority::Normal, DEEP_BYTES, move || {
            let Some(mut shell) = given.lock().take() else {
                return;
            };
            shell.depth = Depth::of_deep();
            let flow = shell.run_command(&command);
            *filled.left.lock() = Some((shell, flow));
            filled.is_there.notify_all();
        });
        if started.is_err() {
            if let Some(shell) = input.lock().take() {
                *self = shell;
            }
            return self.refuse_depth();
        }
        let mut left = outcome.left.lock();
        loop {
            if let Some((shell, flow)) = left.take() {
                *self = shell;
                self.depth = before;
                return flow;
            }
            left = outcome.is_there.wait(left);
        }
    }

    fn refuse_depth(&mut self) -> Flow {
        self.complain("functions and commands are nested too deeply");
        self.status = 2;
        self.give_up()
    }
}
