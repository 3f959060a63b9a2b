//! Recorded calls as a file that viewers of traces open.
//!
//! The format is the JSON object form of the "Trace Event Format" (Google, 2016),
//! which Perfetto, speedscope and chrome://tracing read: each call is a complete
//! event (`"ph":"X"`) with its start and length in microseconds.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate alloc;

use core::fmt::{self, Display, Formatter, Write};

/// One call.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Name of the domain that called.
    pub caller: &'a str,
    /// Name of the domain that was called.
    pub callee: &'a str,
    /// Number of the thread; each has a row of its own in a viewer.
    pub thread: u32,
    /// Number of the CPU on which the call ended.
    pub cpu: u32,
    /// When it began, in nanoseconds.
    pub start_ns: u64,
    /// When it ended, in nanoseconds.
    pub end_ns: u64,
    /// It did not come back by itself: the callee was dead or died.
    pub is_error: bool,
}

/// What stands before the first call.
pub const HEAD: &str = "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n";

/// What stands between two calls.
pub const SEPARATOR: &str = ",\n";

/// What stands after the last call.
pub const TAIL: &str = "\n]}\n";

impl Display for Call<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let length_ns = self.end_ns.saturating_sub(self.start_ns);
        write!(
            formatter,
            "{{\"ph\":\"X\",\"name\":{},\"cat\":{},\"pid\":1,\"tid\":{},\"ts\":{},\"dur\":{},\
             \"args\":{{\"caller\":{},\"cpu\":{},\"error\":{}}}}}",
            Text(self.callee),
            Text(if self.is_error { "error" } else { "call" }),
            self.thread,
            Microseconds(self.start_ns),
            Microseconds(length_ns),
            Text(self.caller),
            self.cpu,
            self.is_error
        )
    }
}

/// Nanoseconds, written as microseconds with three decimals.
struct Microseconds(u64);

impl Display for Microseconds {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}

/// A JSON string (RFC 8259, section 7).
struct Text<'a>(&'a str);

impl Display for Text<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_char('"')?;
        for letter in self.0.chars() {
            match letter {
                '"' | '\\' => write!(formatter, "\\{letter}")?,
                control if control < ' ' => write!(formatter, "\\u{:04x}", u32::from(control))?,
                other => formatter.write_char(other)?,
            }
        }
        formatter.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;
    use alloc::vec::Vec;
    use proptest::prelude::*;
    use serde_json::Value;

    type Recorded = (String, String, u32, u64, u64, bool);

    fn file(calls: &[Recorded]) -> String {
        let calls: Vec<String> = calls
            .iter()
            .map(|(caller, callee, thread, start_ns, length_ns, is_error)| {
                let call = Call {
                    caller,
                    callee,
                    thread: *thread,
                    cpu: 3,
                    start_ns: *start_ns,
                    end_ns: start_ns + length_ns,
                    is_error: *is_error,
                };
                format!("{call}")
            })
            .collect();
        format!("{HEAD}{}{TAIL}", calls.join(SEPARATOR))
    }

    /// The rules for complete events; the nanoseconds they stand for.
    fn complete_event(event: &Value) -> (u64, u64) {
        assert_eq!(event["ph"], "X");
        assert!(event["pid"].is_u64() && event["tid"].is_u64());
        assert!(event["name"].is_string() && event["cat"].is_string());
        assert!(event["args"].is_object());
        let ns = |key: &str| {
            let us = event[key].as_f64().expect("a number of microseconds");
            (us * 1000.0).round() as u64
        };
        (ns("ts"), ns("dur"))
    }

    proptest! {
        #[test]
        fn whatever_was_recorded_is_read_back_by_a_json_reader(
            calls in prop::collection::vec(
                (".*", ".*", any::<u32>(), 0..1_u64 << 50, 0..1_u64 << 40, any::<bool>()),
                0..20,
            ),
        ) {
            let value: Value = serde_json::from_str(&file(&calls)).expect("JSON");
            let events = value["traceEvents"].as_array().expect("an array");
            prop_assert_eq!(events.len(), calls.len());
            for (event, (caller, callee, thread, start, length, is_error)) in
                events.iter().zip(&calls)
            {
                prop_assert_eq!(complete_event(event), (*start, *length));
                prop_assert_eq!(event["name"].as_str(), Some(callee.as_str()));
                prop_assert_eq!(event["args"]["caller"].as_str(), Some(caller.as_str()));
                prop_assert_eq!(event["tid"].as_u64(), Some(u64::from(*thread)));
                prop_assert_eq!(event["args"]["error"].as_bool(), Some(*is_error));
            }
        }
    }

    #[test]
    fn a_call_that_ends_before_it_begins_takes_no_time() {
        let call = Call {
            caller: "a",
            callee: "b",
            thread: 1,
            cpu: 0,
            start_ns: 5_001,
            end_ns: 4_000,
            is_error: false,
        };
        let value: Value = serde_json::from_str(&format!("{call}")).expect("JSON");
        assert_eq!(complete_event(&value), (5_001, 0));
    }
}
