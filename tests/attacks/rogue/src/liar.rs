//! An NVMe driver that tells its controller other places than buffers have.

use alloc::sync::Arc;

use hardware::{DmaRegion, Mmio, PciFunction, Platform};
use nvme::command::{Command, Prps, nvm};
use nvme::controller::Controller;
use nvme::queue::QueuePair;
use runtime::log;
use runtime::sync::Mutex;
use runtime::time::{Duration, Instant};

use crate::Aimed;

/// Base address register of a controller's registers.
const BAR: u32 = 0;
/// Commands under way, one more than there are.
const ENTRIES: u16 = 4;
/// Time in which a command ends.
const PATIENCE: Duration = Duration::from_millis(500);

/// A controller with a pair of queues.
pub struct Liar {
    function: Arc<PciFunction>,
    registers: Arc<Mmio>,
    queue: Mutex<QueuePair>,
    namespace: u32,
    _controller: Controller<Arc<Mmio>, Arc<PciFunction>>,
}

impl Liar {
    /// Starts the controller, and sees that it works while it is told the truth.
    pub fn new(function: PciFunction) -> Option<Self> {
        let function = Arc::new(function);
        let registers = Arc::new(function.map(BAR).ok()?);
        let mut controller =
            Controller::start(Arc::clone(&registers), Arc::clone(&function)).ok()?;
        let namespace = controller.explore(None).ok()?.namespace;
        controller.request_queues(1).ok()?;
        let mut queue = QueuePair::new(&*function, controller.capabilities, 1, ENTRIES)?;
        controller.create_queue(&mut queue, None).ok()?;
        let liar = Self {
            function,
            registers,
            queue: Mutex::new(queue),
            namespace,
            _controller: controller,
        };
        let own: DmaRegion = liar.function.allocate(1)?;
        own.write(0, 1);
        liar.transfer(nvm::READ, own.physical());
        log::info!("own memory written by the device: {}", own.read(0) == 0);
        Some(liar)
    }

    /// Has the controller move a sector to or from a device address.
    fn transfer(&self, opcode: u8, address: u64) {
        let command = Command::transfer(opcode, self.namespace, 0, 1, Prps(address, 0));
        let mut queue = self.queue.lock();
        queue.push(&command, 0);
        queue.ring(&*self.registers);
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Some(completion) = queue.pop() {
                let outcome = completion.status.outcome();
                queue.acknowledge(&*self.registers);
                return log::info!("the controller says {outcome:?}");
            }
        }
        log::info!("the controller says nothing");
    }
}

impl Aimed for Liar {
    fn function(&self) -> &PciFunction {
        &self.function
    }

    fn write_to(&self, address: u64) {
        self.transfer(nvm::READ, address);
    }

    fn read_from(&self, address: u64) {
        self.transfer(nvm::WRITE, address);
    }
}
