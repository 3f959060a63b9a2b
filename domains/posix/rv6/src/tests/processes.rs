//! Processes: their start, end and adoption, pipes, the terminal.

#![forbid(unsafe_code)]

use std::thread;
use std::time::{Duration, Instant};

use interfaces::process::{
    ARG_MAX, Authority, DESCRIPTOR_MAX, DescriptorMap, Errno, OpenFlags, Process, ProcessInfo,
    TerminalMode,
};

use super::host::{Fixture, LANE, eventually};
use crate::ends::cause;
use crate::process::ProcessState;

fn forever(process: &ProcessState) -> i32 {
    match process.sleep_ns(u64::MAX / 4).unwrap() {
        Err(Errno::EINTR) => 0,
        other => panic!("{other:?}"),
    }
}

#[test]
fn statuses() {
    let fixture = Fixture::new(false);
    fixture.install("/seven", |_| 7);
    fixture.install("/large", |_| 0x1234);
    let one = fixture.spawn("/seven", &[]).unwrap();
    let two = fixture.spawn("/large", &[]).unwrap();
    assert_eq!(fixture.wait(two), Ok((two, 0x34, 0)));
    assert_eq!(fixture.wait(0), Ok((one, 7, 0)));
    assert_eq!(fixture.wait(0), Err(Errno::ECHILD));
    assert_eq!(fixture.wait(one), Err(Errno::ECHILD));
    assert_eq!(fixture.spawn("/none", &[]), Err(Errno::ENOENT));
    assert_eq!(fixture.spawn("/dev/null", &[]), Err(Errno::EACCES));
    assert_eq!(fixture.spawn("/seven", &[(99, 0)]), Err(Errno::EBADF));
}

#[test]
fn deaths_as_statuses() {
    let statuses: Vec<u32> = (1..=10).map(crate::ends::status_of_cause).collect();
    assert_eq!(statuses, [134, 139, 139, 132, 136, 139, 137, 137, 137, 137]);
}

#[test]
fn what_cannot_be_started() {
    let fixture = Fixture::new(false);
    fixture.write_file("/text", b"just text", 0o755);
    fixture.write_file("/altered", b"\x7fELFaltered", 0o755);
    fixture.write_file("/plain", b"\x7fELFseven", 0o644);
    fixture.write_file("/script", b"#!/script\n", 0o755);
    assert_eq!(fixture.spawn("/text", &[]), Err(Errno::ENOEXEC));
    assert_eq!(fixture.spawn("/plain", &[]), Err(Errno::EACCES));
    assert_eq!(fixture.spawn("/script", &[]), Err(Errno::ELOOP));
    assert_eq!(fixture.spawn("/altered", &[(2, 2)]), Err(Errno::ENOEXEC));
    let errors = fixture.host.errors.lock().unwrap().clone();
    let expected = "rv6: /altered: refused: signature does not match\n";
    assert_eq!(String::from_utf8(errors).unwrap(), expected);
}

#[test]
fn a_changed_program_is_looked_at_again() {
    let fixture = Fixture::new(false);
    fixture.install("/program", |_| 1);
    let pid = fixture.spawn("/program", &[]).unwrap();
    assert_eq!(fixture.wait(pid), Ok((pid, 1, 0)));
    fixture.write_file("/program", b"\x7fELFprogrxm", 0o755);
    assert_eq!(fixture.spawn("/program", &[]), Err(Errno::ENOEXEC));
}

#[test]
fn pipes_between_processes() {
    let fixture = Fixture::new(false);
    fixture.install("/write", |process| {
        let piece = [b'x'; 10_000];
        for _ in 0..20 {
            assert_eq!(process.write(LANE, 1, &piece).unwrap(), Ok(10_000));
        }
        0
    });
    let ends = fixture.process.pipe(LANE).unwrap().unwrap();
    let pid = fixture.spawn("/write", &[(ends.write, 1)]).unwrap();
    fixture.process.close(LANE, ends.write).unwrap().unwrap();
    let mut total = 0;
    let mut buffer = [0; 7_000];
    loop {
        match fixture
            .process
            .read(LANE, ends.read, &mut buffer)
            .unwrap()
            .unwrap()
        {
            0 => break,
            count => total += count,
        }
    }
    assert_eq!(total, 200_000);
    assert_eq!(fixture.wait(pid), Ok((pid, 0, 0)));
}

#[test]
fn a_pipe_nobody_reads() {
    let fixture = Fixture::new(false);
    let ends = fixture.process.pipe(LANE).unwrap().unwrap();
    assert_eq!(
        fixture.process.write(LANE, ends.write, b"x").unwrap(),
        Ok(1)
    );
    fixture.process.close(LANE, ends.read).unwrap().unwrap();
    assert_eq!(
        fixture.process.write(LANE, ends.write, b"x").unwrap(),
        Err(Errno::EPIPE)
    );
    assert_eq!(
        fixture.process.read(LANE, ends.write, &mut [0]).unwrap(),
        Err(Errno::EBADF)
    );
}

#[test]
fn a_full_pipe_blocks_until_its_reader_goes() {
    let fixture = Fixture::new(false);
    fixture.install("/fill", |process| {
        loop {
            match process.write(LANE, 1, &[0; 4096]).unwrap() {
                Ok(_) => {}
                Err(Errno::EPIPE) => return 141,
                Err(other) => panic!("{other:?}"),
            }
        }
    });
    let ends = fixture.process.pipe(LANE).unwrap().unwrap();
    let pid = fixture.spawn("/fill", &[(ends.write, 1)]).unwrap();
    thread::sleep(Duration::from_millis(20));
    assert_eq!(fixture.process.wait(LANE, pid, 1).unwrap().unwrap().pid, 0);
    fixture.process.close(LANE, ends.read).unwrap().unwrap();
    assert_eq!(fixture.wait(pid), Ok((pid, 141, 0)));
}

#[test]
fn killing_wakes_whoever_is_blocked() {
    let fixture = Fixture::new(false);
    fixture.install("/sleep", forever);
    fixture.install("/read", |process| {
        let ends = process.pipe(LANE).unwrap().unwrap();
        assert_eq!(
            process.read(LANE, ends.read, &mut [0]).unwrap(),
            Err(Errno::EINTR)
        );
        0
    });
    fixture.install("/console", |process| {
        assert_eq!(process.read(LANE, 0, &mut [0]).unwrap(), Err(Errno::EINTR));
        0
    });
    for program in ["/sleep", "/read", "/console"] {
        let pid = fixture.spawn(program, &[(0, 0)]).unwrap();
        thread::sleep(Duration::from_millis(10));
        let start = Instant::now();
        fixture.process.kill(pid).unwrap().unwrap();
        assert_eq!(
            fixture.wait(pid),
            Ok((pid, 137, cause::KILLED)),
            "{program}"
        );
        assert!(start.elapsed() < Duration::from_secs(1), "{program}");
    }
    assert_eq!(fixture.process.kill(99).unwrap(), Err(Errno::ESRCH));
    assert_eq!(fixture.process.kill(1).unwrap(), Err(Errno::EPERM));
}

#[test]
fn who_administers_nothing_ends_its_own_job_only() {
    let fixture = Fixture::new(false);
    fixture.install("/sleep", forever);
    let foreign = fixture.spawn("/sleep", &[]).unwrap();
    fixture.install("/attacker", |process| {
        let own = process.spawn(
            LANE,
            b"/sleep",
            b"sleep\0",
            b"",
            &[],
            Authority::HandOnIfAny,
        );
        let own = own.unwrap().unwrap();
        // The first process started two: the one that is not the caller is foreign.
        let foreign = [2, 3].into_iter().find(|pid| *pid != process.number());
        let foreign = foreign.unwrap();
        for refused in [foreign, 1] {
            assert_eq!(process.kill(refused).unwrap(), Err(Errno::EPERM));
            assert_eq!(process.set_foreground(refused).unwrap(), Err(Errno::EPERM));
        }
        assert_eq!(process.kill(99).unwrap(), Err(Errno::ESRCH));
        assert_eq!(process.set_foreground(own).unwrap(), Ok(()));
        assert_eq!(process.kill(own).unwrap(), Ok(()));
        7
    });
    let attacker = fixture.spawn("/attacker", &[]).unwrap();
    assert_eq!(fixture.wait(attacker), Ok((attacker, 7, 0)));
    fixture.process.kill(foreign).unwrap().unwrap();
    assert_eq!(fixture.wait(foreign), Ok((foreign, 137, cause::KILLED)));
}

#[test]
fn killing_at_once_works_too() {
    let fixture = Fixture::new(false);
    fixture.install("/sleep", forever);
    for _ in 0..50 {
        let pid = fixture.spawn("/sleep", &[]).unwrap();
        fixture.process.kill(pid).unwrap().unwrap();
        assert_eq!(fixture.wait(pid), Ok((pid, 137, cause::KILLED)));
    }
}

#[test]
fn a_process_let_go_while_it_exits_keeps_its_status() {
    let fixture = Fixture::new(false);
    fixture.install("/three", |process| {
        // What `release_dying` does when it sees the domain on its way out.
        process.blocked().kill();
        3
    });
    let pid = fixture.spawn("/three", &[]).unwrap();
    assert_eq!(fixture.wait(pid), Ok((pid, 3, 0)));
}

#[test]
fn orphans_are_adopted_and_forgotten() {
    let fixture = Fixture::new(false);
    fixture.install("/nap", |process| {
        process.sleep_ns(30_000_000).unwrap().unwrap();
        i32::try_from(process.parent_pid().unwrap()).unwrap()
    });
    fixture.install("/parent", |process| {
        process
            .spawn(LANE, b"/nap", b"nap\0", b"", &[], Authority::Observe)
            .unwrap()
            .unwrap();
        0
    });
    let pid = fixture.spawn("/parent", &[]).unwrap();
    assert_eq!(fixture.wait(pid), Ok((pid, 0, 0)));
    let count = || {
        let empty = ProcessInfo {
            pid: 0,
            parent: 0,
            state: 0,
            descriptors: 0,
            domain: 0,
            started_ns: 0,
            command_length: 0,
            command: [0; 60],
        };
        let mut list = [empty; 8];
        fixture.process.processes(&mut list).unwrap().unwrap()
    };
    assert_eq!(count(), 2);
    eventually(|| count() == 1);
    // The test is no parent of the orphan.
    assert_eq!(fixture.wait(0), Err(Errno::ECHILD));
}

#[test]
fn everything_of_a_process_is_closed_at_its_end() {
    let fixture = Fixture::new(false);
    fixture.install("/opens", |process| {
        process.mkdir(LANE, b"/d", 0o755).unwrap().unwrap();
        process.chdir(LANE, b"/d").unwrap().unwrap();
        let flags = OpenFlags(OpenFlags::WRITE | OpenFlags::CREATE);
        process.open(LANE, b"file", flags, 0o644).unwrap().unwrap();
        process.unlink(LANE, b"file").unwrap().unwrap();
        0
    });
    let pid = fixture.spawn("/opens", &[]).unwrap();
    assert_eq!(fixture.wait(pid), Ok((pid, 0, 0)));
    fixture.process.rmdir(LANE, b"/d").unwrap().unwrap();
    eventually(|| fixture.files.kept() == 1);
    // The root and the program.
    assert_eq!(fixture.files.count(), 2);
}

#[test]
fn the_interrupt_key_ends_the_foreground() {
    let fixture = Fixture::new(true);
    fixture.install("/sleep", forever);
    fixture.install("/shell", |process| {
        let child = process
            .spawn(LANE, b"/sleep", b"sleep\0", b"", &[], Authority::Observe)
            .unwrap()
            .unwrap();
        let _ = process.wait(LANE, child, 0).unwrap();
        0
    });
    let press = || fixture.types(b"\x03");
    let pid = fixture.spawn("/shell", &[]).unwrap();
    fixture.process.set_foreground(pid).unwrap().unwrap();
    eventually(|| fixture.rv6.table().family(pid).len() == 2);
    press();
    assert_eq!(fixture.wait(pid), Ok((pid, 130, cause::KILLED)));
    assert_eq!(fixture.process.take_interrupt(LANE).unwrap(), Ok(0));
    press();
    assert_eq!(fixture.process.take_interrupt(LANE).unwrap(), Ok(1));
    assert_eq!(fixture.process.take_interrupt(LANE).unwrap(), Ok(0));
}

#[test]
fn an_interrupt_during_a_start_is_not_lost() {
    let fixture = Fixture::new(true);
    fixture.install("/sleep", forever);
    let pid = fixture.spawn("/sleep", &[]).unwrap();
    fixture.types(b"\x03");
    fixture.process.set_foreground(pid).unwrap().unwrap();
    assert_eq!(fixture.wait(pid), Ok((pid, 130, cause::KILLED)));
    assert_eq!(fixture.process.take_interrupt(LANE).unwrap(), Ok(0));
}

#[test]
fn lines_and_raw_input() {
    let fixture = Fixture::new(true);
    let process = &fixture.process;
    let read = || {
        let mut bytes = [0; 64];
        let count = process.read(LANE, 0, &mut bytes).unwrap().unwrap() as usize;
        String::from_utf8(bytes[..count].to_vec()).unwrap()
    };
    fixture.types(b"onx\x7fe\rtwo\r");
    assert_eq!(read(), "one\n");
    assert_eq!(read(), "two\n");
    fixture.types(b"\x04");
    assert_eq!(read(), "");
    fixture.types(b"begun");
    process
        .set_terminal_mode(0, TerminalMode::Raw)
        .unwrap()
        .unwrap();
    assert_eq!(read(), "begun");
    fixture.types(b"\x03\x1b[A");
    assert_eq!(read(), "\x03\x1b[A");
    process
        .set_terminal_mode(0, TerminalMode::Canonical)
        .unwrap()
        .unwrap();
    assert_eq!(process.isatty(0).unwrap(), Ok(1));
    fixture.host.console.lock().unwrap().clear();
    process.write(LANE, 1, b"a\nb").unwrap().unwrap();
    assert_eq!(*fixture.host.console.lock().unwrap(), b"a\r\nb");
}

#[test]
fn shutting_down_ends_everybody() {
    let fixture = Fixture::new(false);
    fixture.install("/sleep", forever);
    let pids: Vec<u32> = (0..5)
        .map(|_| fixture.spawn("/sleep", &[]).unwrap())
        .collect();
    assert_eq!(fixture.rv6.shut_down(), Ok(()));
    for pid in pids {
        assert_eq!(fixture.wait(pid), Ok((pid, 137, cause::KILLED)));
    }
}

#[test]
fn what_is_too_large_to_be_started_is_refused_before_it_is_read() {
    let fixture = Fixture::new(false);
    fixture.install("/seven", |_| 7);
    let mut large = vec![0; 9 << 20];
    large[..4].copy_from_slice(b"\x7fELF");
    fixture.write_file("/large", &large, 0o755);
    assert_eq!(fixture.spawn("/large", &[(2, 2)]), Err(Errno::ENOEXEC));
    let errors = fixture.host.errors.lock().unwrap().clone();
    let expected = "rv6: /large: refused: it has 9437184 bytes, expected at most 8388608\n";
    assert_eq!(String::from_utf8(errors).unwrap(), expected);
    let start = |path: &[u8], arguments: &[u8], environment: &[u8], maps: &[DescriptorMap]| {
        let answer =
            fixture
                .process
                .spawn(LANE, path, arguments, environment, maps, Authority::Observe);
        answer.unwrap()
    };
    let half = vec![0; ARG_MAX / 2];
    assert!(start(b"/seven", &half, &half, &[]).is_ok());
    let more = vec![0; ARG_MAX / 2 + 1];
    assert_eq!(start(b"/seven", &half, &more, &[]), Err(Errno::E2BIG));
    assert_eq!(start(&large, b"", b"", &[]), Err(Errno::ENAMETOOLONG));
    let many = vec![
        DescriptorMap {
            parent: 0,
            child: 0
        };
        DESCRIPTOR_MAX + 1
    ];
    assert_eq!(start(b"/seven", b"", b"", &many), Err(Errno::EINVAL));
}

#[test]
fn open_files_and_pipes_of_all_processes_are_bounded() {
    let fixture = Fixture::new(false);
    fixture.install("/piper", |process| {
        loop {
            match process.pipe(LANE).unwrap() {
                // The smallest pipe takes what is written as one piece.
                Ok(ends) => assert_eq!(
                    process.write(LANE, ends.write, &[1; 4_096]).unwrap(),
                    Ok(4_096)
                ),
                Err(Errno::EMFILE) => break,
                Err(Errno::ENFILE) => return 23,
                Err(other) => panic!("{other:?}"),
            }
        }
        // Until the test closes the other end.
        i32::from(process.read(LANE, 0, &mut [0]).unwrap() != Ok(0))
    });
    let ends = fixture.process.pipe(LANE).unwrap().unwrap();
    for _ in 0..10 {
        fixture.spawn("/piper", &[(ends.read, 0)]).unwrap();
    }
    // Whoever comes first is blocked until all that is refused has been.
    let (_, status, _) = fixture.wait(0).unwrap();
    assert_eq!(status, 23);
    fixture.process.close(LANE, ends.write).unwrap().unwrap();
    let statuses = (1..10).map(|_| fixture.wait(0).unwrap().1);
    assert!(statuses.into_iter().any(|status| status == 0));
    assert!(fixture.process.pipe(LANE).unwrap().is_ok());
}
