//! The controller: reset, enable, identify, queues (NVMe 1.4, section 7.6.1).

use alloc::vec;
use alloc::vec::Vec;

use hardware::{DmaRegion, Platform, Registers, StopRecipe};

use crate::command::{Command, FEATURE_NUMBER_OF_QUEUES, Prps, admin, identify};
use crate::error::StartFailure;
use crate::identify::{BYTES, ControllerData, NamespaceData};
use crate::prp::PAGE_BYTES;
use crate::queue::QueuePair;
use crate::registers::{
    ACQ, AQA, ASQ, CAP, CC, CC_EN, CC_ENABLED, CSTS, CSTS_CFS, CSTS_RDY, Capabilities,
    admin_attributes,
};

/// Entries of the admin queues; commands are executed one by one.
const ADMIN_ENTRIES: u16 = 8;
/// Longest time for an admin command. None used here does any lengthy work.
const ADMIN_TIMEOUT_NS: u64 = 5_000_000_000;
/// Time between two looks at a register or queue while starting.
const LOOK_NS: u64 = 100_000;
/// Grace for controllers that understate CAP.TO.
const READY_GRACE_NS: u64 = 500_000_000;

/// Controller reset (7.3.2): queues are gone and no memory is touched once
/// CSTS.RDY is 0.
pub const STOP: StopRecipe = StopRecipe {
    bar: 0,
    control: CC as u32,
    clear: CC_EN,
    status: CSTS as u32,
    mask: CSTS_RDY,
    value: 0,
};

/// A controller's registers and admin queues.
#[derive(Debug)]
pub struct Controller<R, P> {
    /// Its registers.
    pub registers: R,
    /// The machine.
    pub platform: P,
    /// What it can do.
    pub capabilities: Capabilities,
    admin: QueuePair,
    buffer: DmaRegion,
}

/// What was found on a controller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Found {
    /// The controller.
    pub controller: ControllerData,
    /// Number of the namespace.
    pub namespace: u32,
    /// The namespace.
    pub data: NamespaceData,
}

impl<R: Registers, P: Platform> Controller<R, P> {
    /// Takes a controller over, resets it and starts it.
    ///
    /// # Errors
    /// [`StartFailure`].
    pub fn start(registers: R, platform: P) -> Result<Self, StartFailure> {
        if registers.bytes() < 0x1008 {
            return Err(StartFailure::NoRegisters);
        }
        let capabilities = Capabilities(registers.read64(CAP));
        if capabilities.0 == u64::MAX {
            return Err(StartFailure::Gone);
        }
        if !capabilities.has_nvm_commands() {
            return Err(StartFailure::NoCommandSet);
        }
        if capabilities.min_page_bytes() > PAGE_BYTES {
            return Err(StartFailure::PageSize(capabilities.min_page_bytes()));
        }
        if registers.bytes() < capabilities.head_doorbell(1) + 4 {
            return Err(StartFailure::NoRegisters);
        }
        let admin = QueuePair::new(&platform, capabilities, 0, ADMIN_ENTRIES);
        let buffer = platform.allocate(BYTES / PAGE_BYTES);
        let mut controller = Self {
            registers,
            capabilities,
            admin: admin.ok_or(StartFailure::NoMemory)?,
            buffer: buffer.ok_or(StartFailure::NoMemory)?,
            platform,
        };
        controller.stop()?;
        controller.enable()?;
        Ok(controller)
    }

    /// Ends everything the controller does. On success it touches no memory
    /// until [`Controller::enable`].
    ///
    /// # Errors
    /// `NotReady(false)` when it goes on regardless; `Gone`.
    pub fn stop(&mut self) -> Result<(), StartFailure> {
        let configuration = self.registers.read32(CC);
        if configuration & CC_EN != 0 {
            self.registers.write32(CC, configuration & !CC_EN);
        }
        self.wait_ready(false)
    }

    /// Enables the stopped controller, with empty admin queues.
    ///
    /// # Errors
    /// `NotReady(true)`, `Fatal`, `Gone`.
    pub fn enable(&mut self) -> Result<(), StartFailure> {
        self.admin.reset();
        let (submission, completion) = self.admin.addresses();
        let (entries, completion_entries) = self.admin.entries();
        let attributes =
            admin_attributes(entries) & 0xFFFF | admin_attributes(completion_entries) & 0xFFFF_0000;
        self.registers.write32(AQA, attributes);
        self.registers.write64(ASQ, submission);
        self.registers.write64(ACQ, completion);
        self.registers.write32(CC, CC_ENABLED);
        self.wait_ready(true)
    }

    fn wait_ready(&self, ready: bool) -> Result<(), StartFailure> {
        let limit_ns = self.capabilities.ready_timeout_ns() + READY_GRACE_NS;
        let deadline_ns = self.platform.now_ns() + limit_ns;
        loop {
            let status = self.registers.read32(CSTS);
            if status == u32::MAX {
                return Err(StartFailure::Gone);
            }
            if (status & CSTS_RDY != 0) == ready {
                return Ok(());
            }
            if ready && status & CSTS_CFS != 0 {
                return Err(StartFailure::Fatal);
            }
            let now_ns = self.platform.now_ns();
            if now_ns > deadline_ns {
                return Err(StartFailure::NotReady(ready));
            }
            self.platform.sleep_until(now_ns + LOOK_NS);
        }
    }

    /// Executes an admin command; dword 0 of its completion.
    fn execute(&mut self, command: &Command) -> Result<u32, StartFailure> {
        self.admin.push(command, 0);
        self.admin.ring(&self.registers);
        let deadline_ns = self.platform.now_ns() + ADMIN_TIMEOUT_NS;
        loop {
            if let Some(completion) = self.admin.pop() {
                self.admin.acknowledge(&self.registers);
                let is_success = completion.status.outcome().is_ok();
                return is_success
                    .then_some(completion.result)
                    .ok_or(StartFailure::Command(command.opcode, completion.status));
            }
            let now_ns = self.platform.now_ns();
            if now_ns > deadline_ns {
                return Err(StartFailure::TimedOut(command.opcode));
            }
            self.platform.sleep_until(now_ns + LOOK_NS);
        }
    }

    /// Identify (5.15): the data for `what` of namespace `namespace`.
    fn identify(&mut self, what: u32, namespace: u32) -> Result<Vec<u8>, StartFailure> {
        self.execute(&Command {
            opcode: admin::IDENTIFY,
            namespace,
            prps: Prps(self.buffer.physical(), 0),
            dwords: [what, 0, 0],
        })?;
        let mut data = vec![0; BYTES];
        self.buffer.copy_to(0, &mut data);
        Ok(data)
    }

    fn identify_page(&mut self, what: u32, namespace: u32) -> Result<[u8; BYTES], StartFailure> {
        let data = self.identify(what, namespace)?;
        data.try_into().map_err(|_| StartFailure::NoMemory)
    }

    /// Looks at the controller and its namespace `wanted`, or its first.
    ///
    /// # Errors
    /// [`StartFailure`].
    pub fn explore(&mut self, wanted: Option<u32>) -> Result<Found, StartFailure> {
        let page_bytes = self.capabilities.min_page_bytes();
        let data = self.identify_page(identify::CONTROLLER, 0)?;
        let controller = ControllerData::parse(&data, page_bytes);
        let namespace = match wanted {
            Some(number) => number,
            None => self.first_namespace()?,
        };
        let data = self.identify_page(identify::NAMESPACE, namespace)?;
        Ok(Found {
            controller,
            namespace,
            data: NamespaceData::parse(&data)?,
        })
    }

    fn first_namespace(&mut self) -> Result<u32, StartFailure> {
        let list = self.identify(identify::ACTIVE_NAMESPACES, 0)?;
        match list
            .first_chunk::<4>()
            .map(|first| u32::from_le_bytes(*first))
        {
            None | Some(0) => Err(StartFailure::NoNamespace),
            Some(number) => Ok(number),
        }
    }

    /// Asks for `wanted` (at least 1) pairs of I/O queues (5.21.1.7), once after
    /// each start; how many there may be, which can be more.
    ///
    /// # Errors
    /// [`StartFailure`].
    pub fn request_queues(&mut self, wanted: u16) -> Result<u16, StartFailure> {
        // Both numbers are stored less one.
        let stored = u32::from(wanted - 1);
        let granted = self.execute(&Command {
            opcode: admin::SET_FEATURES,
            namespace: 0,
            prps: Prps(0, 0),
            dwords: [FEATURE_NUMBER_OF_QUEUES, stored << 16 | stored, 0],
        })?;
        let (submission, completion) = (granted as u16, (granted >> 16) as u16);
        Ok(submission.min(completion).saturating_add(1))
    }

    /// Most pairs of I/O queues whose doorbells lie in the registers.
    #[must_use]
    pub fn most_queues(&self) -> u16 {
        let bytes = self.registers.bytes();
        let fits = |number: &u16| self.capabilities.head_doorbell(*number) + 4 <= bytes;
        (1..u16::MAX).take_while(fits).last().unwrap_or(1)
    }

    /// Creates a pair of I/O queues, empty (5.3, 5.4). With a `vector` the
    /// completion queue interrupts.
    ///
    /// # Errors
    /// [`StartFailure`].
    pub fn create_queue(
        &mut self,
        pair: &mut QueuePair,
        vector: Option<u16>,
    ) -> Result<(), StartFailure> {
        pair.reset();
        let command = |opcode, address, dwords| Command {
            opcode,
            namespace: 0,
            prps: Prps(address, 0),
            dwords,
        };
        let (submission, completion) = pair.addresses();
        let (entries, completion_entries) = pair.entries();
        let number = u32::from(pair.number());
        let size = |entries: u16| (u32::from(entries) - 1) << 16 | number;
        // Physically contiguous; interrupts enabled, with their vector.
        let interrupts = vector.map_or(0, |vector| 1 << 1 | u32::from(vector) << 16);
        let dwords = [size(completion_entries), 1 | interrupts, 0];
        self.execute(&command(admin::CREATE_COMPLETION_QUEUE, completion, dwords))?;
        // Physically contiguous; completions go to the queue of that number.
        let dwords = [size(entries), 1 | number << 16, 0];
        self.execute(&command(admin::CREATE_SUBMISSION_QUEUE, submission, dwords))?;
        Ok(())
    }
}
