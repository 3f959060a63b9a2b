//! How the modelled controller executes commands.

use super::{CompletionQueue, Device};

const PAGE: u64 = 4096;
const INVALID_FIELD: u16 = 0x02;
const TRANSFER_ERROR: u16 = 0x04;
const INVALID_NAMESPACE: u16 = 0x0B;
const BAD_PRP: u16 = 0x13;
const WRITE_PROTECTED: u16 = 0x20;
const OUT_OF_RANGE: u16 = 0x80;

/// A submission queue entry, taken apart.
struct Entry {
    opcode: u8,
    identifier: u16,
    namespace: u32,
    prps: [u64; 2],
    dwords: [u32; 6],
}

impl Entry {
    fn parse(bytes: &[u8; 64]) -> Self {
        let word = |index: usize| {
            let place = bytes[index * 4..].first_chunk::<4>();
            u32::from_le_bytes(*place.expect("sixteen words"))
        };
        let wide = |index: usize| u64::from(word(index)) | u64::from(word(index + 1)) << 32;
        Self {
            opcode: bytes[0],
            identifier: (word(0) >> 16) as u16,
            namespace: word(1),
            prps: [wide(6), wide(8)],
            dwords: core::array::from_fn(|index| word(10 + index)),
        }
    }
}

impl Device {
    /// Fetches and executes everything that was rung for.
    pub fn step(&mut self) {
        if !self.is_ready || self.faults.is_gone {
            return;
        }
        let numbers: Vec<u16> = self.submission.keys().copied().collect();
        for number in numbers {
            let mut done = Vec::new();
            while let Some(entry) = self.fetch(number) {
                done.extend(self.execute(number, &entry));
            }
            if self.faults.reverses_order {
                done.reverse();
            }
            for (identifier, status, result) in done {
                self.complete(number, identifier, status, result);
            }
        }
    }

    fn fetch(&mut self, number: u16) -> Option<Entry> {
        let queue = self.submission.get_mut(&number)?;
        if queue.head == queue.tail {
            return None;
        }
        let address = queue.base + u64::from(queue.head) * 64;
        queue.head = (queue.head + 1) % queue.entries;
        let mut bytes = [0; 64];
        if !self.memory.device_read(address, &mut bytes) {
            self.violations.push(format!("no command at {address:#x}"));
        }
        Some(Entry::parse(&bytes))
    }

    fn execute(&mut self, queue: u16, entry: &Entry) -> Option<(u16, u16, u32)> {
        if queue == 0 {
            let (status, result) = self.execute_admin(entry);
            return Some((entry.identifier, status, result));
        }
        self.commands += 1;
        *self.commands_of.entry(queue).or_default() += 1;
        if self.faults.drop_commands != 0 {
            self.faults.drop_commands -= 1;
            return None;
        }
        let injected = if self.faults.statuses.is_empty() {
            0
        } else {
            self.faults.statuses.remove(0)
        };
        let status = if injected == 0 {
            self.execute_io(entry)
        } else {
            injected
        };
        Some((entry.identifier, status, 0))
    }

    fn execute_admin(&mut self, entry: &Entry) -> (u16, u32) {
        let [ten, eleven, ..] = entry.dwords;
        let (number, entries) = (ten as u16, (ten >> 16) as u16 + 1);
        let creates = entry.opcode == 1 || entry.opcode == 5;
        if creates && (number == 0 || number > self.shape.queues) {
            return (0x101, 0);
        }
        if creates && entries > self.shape.max_entries {
            return (0x102, 0);
        }
        match entry.opcode {
            1 => self.add_submission(number, entry.prps[0], entries, (eleven >> 16) as u16),
            5 => self.add_completion(number, entry.prps[0], entries, eleven & 2 != 0),
            6 => return (self.identify(entry), 0),
            9 if ten == 7 => {
                let most = u32::from(self.shape.queues) - 1;
                return (0, most << 16 | most);
            }
            _ => return (0x01, 0),
        }
        (0, 0)
    }

    fn identify(&mut self, entry: &Entry) -> u16 {
        let shape = self.shape;
        let mut data = vec![0; 4096];
        match entry.dwords[0] {
            0 if entry.namespace == shape.namespace => {
                data[..8].copy_from_slice(&shape.sectors.to_le_bytes());
                data[26] = 1;
                data[99] = shape.is_read_only.into();
                data[132..134].copy_from_slice(&shape.metadata_bytes.to_le_bytes());
                data[134] = shape.sector_power;
            }
            0 => {}
            1 => {
                data[77] = shape.mdts;
                data[525] = shape.has_cache.into();
            }
            2 => data[..4].copy_from_slice(&shape.namespace.to_le_bytes()),
            _ => return INVALID_FIELD,
        }
        self.move_data(entry, 4096, Some(&data), &mut [])
            .err()
            .unwrap_or(0)
    }

    fn execute_io(&mut self, entry: &Entry) -> u16 {
        if entry.namespace != self.shape.namespace {
            return INVALID_NAMESPACE;
        }
        if entry.opcode == 0 {
            self.flushes += 1;
            return 0;
        }
        let [ten, eleven, twelve, ..] = entry.dwords;
        let first = u64::from(ten) | u64::from(eleven) << 32;
        let sectors = u64::from(twelve & 0xFFFF) + 1;
        if first
            .checked_add(sectors)
            .is_none_or(|end| end > self.shape.sectors)
        {
            return OUT_OF_RANGE;
        }
        let bytes = (sectors << self.shape.sector_power) as usize;
        if self.shape.mdts != 0 && bytes > 4096 << self.shape.mdts {
            self.violations.push(format!("transfer of {bytes} bytes"));
            return INVALID_FIELD;
        }
        let place = (first << self.shape.sector_power) as usize;
        let mut data = self.storage[place..place + bytes].to_vec();
        let moved = match entry.opcode {
            1 if self.shape.is_read_only => return WRITE_PROTECTED,
            1 => self.move_data(entry, bytes, None, &mut data),
            2 => self.move_data(entry, bytes, Some(&data), &mut []),
            _ => return 0x01,
        };
        if entry.opcode == 1 && moved.is_ok() {
            self.storage[place..place + bytes].copy_from_slice(&data);
        }
        moved.err().unwrap_or(0)
    }

    /// Moves data to memory (`out`), or from memory to `into`, by the PRPs.
    fn move_data(
        &mut self,
        entry: &Entry,
        bytes: usize,
        out: Option<&[u8]>,
        into: &mut [u8],
    ) -> Result<(), u16> {
        let mut done = 0;
        for (address, length) in self.decode(entry.prps, bytes)? {
            let range = done..done + length;
            let is_allowed = match out {
                Some(data) => self.memory.device_write(address, &data[range]),
                None => self.memory.device_read(address, &mut into[range]),
            };
            if !is_allowed {
                self.violations
                    .push(format!("{length} bytes at {address:#x}"));
                return Err(TRANSFER_ERROR);
            }
            done += length;
        }
        Ok(())
    }

    /// The runs of memory that the PRPs describe (4.3).
    fn decode(&mut self, prps: [u64; 2], bytes: usize) -> Result<Vec<(u64, usize)>, u16> {
        let in_first = (PAGE - prps[0] % PAGE) as usize;
        let mut runs = vec![(prps[0], bytes.min(in_first))];
        let rest = bytes.saturating_sub(in_first);
        let pages = rest.div_ceil(PAGE as usize);
        let mut list = Vec::new();
        if pages == 1 {
            list.push(prps[1]);
        } else if pages > 1 {
            if !prps[1].is_multiple_of(8) || prps[1] % PAGE + 8 * pages as u64 > PAGE {
                self.violations
                    .push(format!("list of {pages} at {:#x}", prps[1]));
                return Err(BAD_PRP);
            }
            for index in 0..pages as u64 {
                let mut entry = [0; 8];
                if !self.memory.device_read(prps[1] + 8 * index, &mut entry) {
                    self.violations.push(format!("no list at {:#x}", prps[1]));
                    return Err(TRANSFER_ERROR);
                }
                list.push(u64::from_le_bytes(entry));
            }
        }
        if !prps[0].is_multiple_of(4) || list.iter().any(|page| page % PAGE != 0) {
            self.violations
                .push(format!("PRPs {:#x} {list:x?}", prps[0]));
            return Err(BAD_PRP);
        }
        for (index, page) in list.into_iter().enumerate() {
            let left = rest - index * PAGE as usize;
            runs.push((page, left.min(PAGE as usize)));
        }
        Ok(runs)
    }

    fn complete(&mut self, submission: u16, identifier: u16, status: u16, result: u32) {
        let queue = &self.submission[&submission];
        let identifier = identifier ^ self.faults.flips_identifiers;
        let named = submission ^ self.faults.flips_queues;
        let head = u64::from(queue.head) | u64::from(named) << 16;
        let second = head | u64::from(identifier) << 32 | u64::from(status) << 49;
        let number = queue.completion;
        if let Some(queue) = self.completion.get_mut(&number) {
            queue.held.push([result.into(), second]);
        }
        self.post_held();
    }

    /// Posts completions for which there is room, and interrupts.
    pub fn post_held(&mut self) {
        let mut posted = 0;
        for queue in self.completion.values_mut() {
            while !queue.held.is_empty() && !queue.is_full() {
                let [first, second] = queue.held.remove(0);
                queue.tail += u16::from(self.faults.skips_places);
                let second = second | u64::from(queue.phase) << 48;
                let address = queue.base + u64::from(queue.tail) * 16;
                let mut bytes = [0; 16];
                bytes[..8].copy_from_slice(&first.to_le_bytes());
                bytes[8..].copy_from_slice(&second.to_le_bytes());
                if !self.memory.device_write(address, &bytes) {
                    self.violations
                        .push(format!("no completion queue at {address:#x}"));
                }
                queue.tail += 1;
                if queue.tail == queue.entries {
                    queue.tail = 0;
                    queue.phase = !queue.phase;
                }
                posted += u64::from(queue.interrupts);
            }
        }
        if !self.faults.lose_interrupts {
            self.interrupts += posted;
        }
    }
}

impl CompletionQueue {
    const fn is_full(&self) -> bool {
        (self.tail + 1) % self.entries == self.head
    }
}
