//! Joins lines of files.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::io;
use posix::prelude::*;
use posix::print_bytes;

const SWITCHES: Switches = Switches::new("sd:", "paste [-s] [-d BYTES] [FILE...]")
    .long(&[("serial", 's'), ("delimiters", 'd')])
    .example("seq 4 | paste -s -d +")
    .usage_status(1);

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    let mut files = options.operands().to_vec();
    if files.is_empty() {
        files.push("-".into());
    }
    let joints = joints(options.value('d').unwrap_or("\t"));
    let mut inputs = Vec::new();
    // Columns of standard input take turns in reading it.
    let mut columns = Vec::new();
    let mut all_went_well = true;
    for (index, file) in files.iter().enumerate() {
        let earlier = files[..index].iter().position(|other| other == "-");
        if file == "-"
            && let Some(column) = earlier.and_then(|column| columns.get(column))
        {
            columns.push(*column);
            continue;
        }
        columns.push(inputs.len());
        match io::input(file) {
            Ok(input) => inputs.push(input),
            Err(error) => {
                complain!("{file}: {error}");
                all_went_well = false;
            }
        }
    }
    if !all_went_well && !options.has('s') {
        return ExitCode::FAILURE;
    }
    let result = match options.has('s') {
        true => inputs
            .iter_mut()
            .try_for_each(|input| join_lines(input, &joints)),
        false => join_files(&mut inputs, &columns, &joints),
    };
    if let Err(error) = result {
        complain!("{error}");
        all_went_well = false;
    }
    ExitCode::from(all_went_well)
}

/// What stands between columns, in turn; nothing for `\0`.
fn joints(text: &str) -> Vec<Option<u8>> {
    let mut joints = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        joints.push(match byte {
            b'\\' => match bytes.next() {
                Some(b'n') => Some(b'\n'),
                Some(b't') => Some(b'\t'),
                Some(b'0') => None,
                Some(other) => Some(other),
                None => Some(b'\\'),
            },
            other => Some(other),
        });
    }
    if joints.is_empty() {
        joints.push(None);
    }
    joints
}

fn join_lines(input: &mut dyn BufRead, joints: &[Option<u8>]) -> io::Result<()> {
    let mut joints = joints.iter().cycle();
    let mut line = Vec::new();
    let mut is_first = true;
    while input.read_until(b'\n', &mut line)? > 0 {
        line.pop_if(|byte| *byte == b'\n');
        if !is_first && let Some(Some(joint)) = joints.next() {
            print_bytes(&[*joint]);
        }
        is_first = false;
        print_bytes(&line);
        line.clear();
    }
    print_bytes(b"\n");
    Ok(())
}

/// Puts a line of each column beside each other; `columns` are numbers of inputs.
fn join_files(
    inputs: &mut [Box<dyn BufRead>],
    columns: &[usize],
    joints: &[Option<u8>],
) -> io::Result<()> {
    loop {
        let mut row = Vec::new();
        let mut joints = joints.iter().cycle();
        let mut has_line = false;
        for (column, input) in columns.iter().enumerate() {
            if column > 0 {
                row.extend(joints.next().copied().flatten());
            }
            let start = row.len();
            has_line |= inputs[*input].read_until(b'\n', &mut row)? > 0;
            if row.len() > start {
                row.pop_if(|byte| *byte == b'\n');
            }
        }
        if !has_line {
            return Ok(());
        }
        row.push(b'\n');
        print_bytes(&row);
    }
}
