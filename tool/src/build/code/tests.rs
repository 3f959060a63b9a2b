//! Code of each kind that is refused, byte by byte, and of what passes.

use super::*;
use abi::thread::offset;

/// Where the code lies that is checked.
const START: u64 = 0x1000;

/// Looks at code that is one function.
fn verdict(code: &[u8]) -> Result<(), Reason> {
    pointed(code, &[])
}

/// The same, with pointers to it.
fn pointed(bytes: &[u8], pointers: &[u64]) -> Result<(), Reason> {
    let length = bytes.len() as u64;
    let segment = Segment {
        address: START,
        memory_size: length,
        file_offset: 0,
        file_size: length,
        permissions: Permissions::ReadExecute,
    };
    let mut code = Code::default();
    code.add(&segment, bytes);
    code.check(&[(START, length)], pointers)
        .map_err(|(_, reason)| reason)
}

/// Each is refused for this reason, wherever it stands.
fn refused(reason: Reason, all: &[&[u8]]) {
    for bytes in all {
        for code in [bytes.to_vec(), [&[0x90, 0xc3], *bytes, &[0xc3]].concat()] {
            assert_eq!(verdict(&code), Err(reason), "{code:02x?}");
        }
    }
}

#[test]
fn what_compilers_make_passes() {
    let all: [&[u8]; 10] = [
        // push rbp; mov rbp, rsp; pop rbp; ret; int3
        &[0x55, 0x48, 0x89, 0xe5, 0x5d, 0xc3, 0xcc],
        // lock cmpxchg [rdi], esi
        &[0xf0, 0x0f, 0xb1, 0x37],
        // rep movsb
        &[0xf3, 0xa4],
        // cmovb eax, ecx
        &[0x0f, 0x42, 0xc1],
        // tzcnt eax, ecx, which older processors read as bsf
        &[0xf3, 0x0f, 0xbc, 0xc1],
        // movdqa xmm0, [rsp]
        &[0x66, 0x0f, 0x6f, 0x04, 0x24],
        // lfence; rdtsc
        &[0x0f, 0xae, 0xe8, 0x0f, 0x31],
        // nopw cs:[rax + rax]
        &[0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0],
        // jmp rax; call [rdi + 8]
        &[0xff, 0xe0, 0xff, 0x57, 0x08],
        // ud2; pause
        &[0x0f, 0x0b, 0xf3, 0x90],
    ];
    for code in all {
        assert_eq!(verdict(code), Ok(()), "{code:02x?}");
    }
}

#[test]
fn kernels_instructions_are_refused() {
    refused(
        Reason::Privileged,
        &[
            &[0xfa],                         // cli
            &[0xfb],                         // sti
            &[0xf4],                         // hlt
            &[0xe4, 0x60],                   // in al, 0x60
            &[0xee],                         // out dx, al
            &[0x6c],                         // insb
            &[0xf3, 0x6e],                   // rep outsb
            &[0x0f, 0x30],                   // wrmsr
            &[0x0f, 0x32],                   // rdmsr
            &[0x0f, 0x22, 0xd8],             // mov cr3, rax
            &[0x0f, 0x20, 0xc0],             // mov rax, cr0
            &[0x44, 0x0f, 0x22, 0xc0],       // mov cr8, rax
            &[0x0f, 0x23, 0xf8],             // mov dr7, rax
            &[0x0f, 0x01, 0x10],             // lgdt [rax]
            &[0x0f, 0x01, 0x18],             // lidt [rax]
            &[0x0f, 0x00, 0xd8],             // ltr ax
            &[0x0f, 0x00, 0xd0],             // lldt ax
            &[0x0f, 0x01, 0xf0],             // lmsw ax
            &[0x0f, 0x06],                   // clts
            &[0x0f, 0x01, 0x38],             // invlpg [rax]
            &[0x0f, 0x08],                   // invd
            &[0x0f, 0x09],                   // wbinvd
            &[0x0f, 0x01, 0xf8],             // swapgs
            &[0x0f, 0x01, 0xd1],             // xsetbv
            &[0x0f, 0xc7, 0x18],             // xrstors [rax]
            &[0x0f, 0x07],                   // sysret
            &[0x0f, 0x35],                   // sysexit
            &[0x66, 0x0f, 0x38, 0x82, 0x00], // invpcid rax, [rax]
        ],
    );
}

#[test]
fn what_enters_or_changes_a_kernel_is_refused() {
    refused(
        Reason::NotMade,
        &[
            &[0xcd, 0x80],             // int 0x80
            &[0xc7, 0xf8, 0, 0, 0, 0], // xbegin
            &[0x0f, 0xff, 0xc0],       // ud0
            &[0xf1],                   // int1
            &[0x48, 0xcf],             // iretq
            &[0x0f, 0x05],             // syscall
            &[0x0f, 0x34],             // sysenter
            &[0xcb],                   // retf
            &[0x48, 0xff, 0x28],       // jmp far [rax]
            &[0xff, 0x18],             // call far [rax]
            &[0x9c],                   // pushf
            &[0x9d],                   // popf
            &[0xfd],                   // std
            &[0x0f, 0xb4, 0x00],       // lfs eax, [rax]
            &[0x48, 0x0f, 0xb2, 0x00], // lss rax, [rax]
            &[0x0f, 0x01, 0x00],       // sgdt [rax]
            &[0x0f, 0x01, 0x08],       // sidt [rax]
            &[0x0f, 0xae, 0x10],       // ldmxcsr [rax]
            &[0x66, 0x0f, 0xf7, 0xc1], // maskmovdqu xmm0, xmm1
        ],
    );
    refused(
        Reason::SegmentRegister,
        &[
            &[0x8e, 0xe8],       // mov gs, eax
            &[0x8e, 0xd0],       // mov ss, eax
            &[0x8c, 0xd8],       // mov eax, ds
            &[0x0f, 0xa0],       // push fs
            &[0x0f, 0xa9],       // pop gs
            &[0x66, 0x0f, 0xa9], // the same with two bytes
        ],
    );
}

#[test]
fn other_sets_are_refused() {
    refused(
        Reason::OtherSet,
        &[
            &[0x0f, 0xa2],                   // cpuid
            &[0x0f, 0x01, 0xef],             // wrpkru
            &[0x0f, 0x01, 0xee],             // rdpkru
            &[0x0f, 0xae, 0x28],             // xrstor [rax]
            &[0x0f, 0xae, 0x20],             // xsave [rax]
            &[0x0f, 0x01, 0xd0],             // xgetbv
            &[0x0f, 0xae, 0x08],             // fxrstor [rax]
            &[0xf3, 0x48, 0x0f, 0xae, 0xd8], // wrgsbase rax
            &[0xf3, 0x48, 0x0f, 0xae, 0xd0], // wrfsbase rax
            &[0xf3, 0x48, 0x0f, 0xae, 0xc8], // rdgsbase rax
            &[0x0f, 0x01, 0xc1],             // vmcall
            &[0x0f, 0x01, 0xd9],             // vmmcall
            &[0x0f, 0x01, 0xf9],             // rdtscp
            &[0x0f, 0xae, 0x38],             // clflush [rax]
            &[0xc5, 0xfc, 0x58, 0xc0],       // vaddps ymm0, ymm0, ymm0
            &[0xd9, 0xe8],                   // fld1
            &[0x0f, 0x77],                   // emms
            &[0x66, 0x0f, 0x38, 0xf8, 0x00], // movdir64b rax, [rax]
        ],
    );
}

#[test]
fn all_is_instructions_and_each_means_one_thing() {
    refused(
        Reason::Unknown,
        &[
            &[0x06],             // not in long mode
            &[0x0f, 0x04],       // no instruction
            &[0xf0, 0x89, 0xc8], // lock mov eax, ecx
        ],
    );
    // A branch with an operand-size prefix has two lengths.
    let code = [0x66, 0xe9, 0, 0, 0, 0, 0x90, 0x90, 0xc3];
    assert_eq!(verdict(&code), Err(Reason::Ambiguous));
    // The last one is cut off.
    assert_eq!(verdict(&[0xc3, 0x48]), Err(Reason::Unknown));
}

#[test]
fn branches_and_pointers_lead_to_instructions() {
    // mov eax, 0x300f (wrmsr at its second byte); ret
    let code = |branch: &[u8]| [branch, &[0xb8, 0x0f, 0x30, 0, 0, 0xc3]].concat();
    let into: [&[u8]; 5] = [
        &[0xeb, 0x01],                      // jmp
        &[0x74, 0x01],                      // je
        &[0xe3, 0x01],                      // jrcxz
        &[0xe8, 0x01, 0, 0, 0],             // call
        &[0x48, 0x8d, 0x05, 0x01, 0, 0, 0], // lea rax, [rip + 1]
    ];
    for branch in into {
        let target = START + branch.len() as u64 + 1;
        assert_eq!(verdict(&code(branch)), Err(Reason::NoTarget(target)));
        let mut right = branch.to_vec();
        right[if branch.len() == 2 {
            1
        } else {
            branch.len() - 4
        }] = 0;
        assert_eq!(verdict(&code(&right)), Ok(()));
    }
    let outside = [0xe9, 0, 0x10, 0, 0];
    assert!(matches!(verdict(&outside), Err(Reason::NoTarget(_))));
    let bytes = code(&[]);
    assert_eq!(pointed(&bytes, &[START, 0x10]), Ok(()));
    let inside = START + 1;
    assert_eq!(pointed(&bytes, &[inside]), Err(Reason::NoTarget(inside)));
}

#[test]
fn only_padding_lies_outside_of_functions() {
    let verdict = |bytes: &[u8], functions: &[(u64, u64)]| {
        let mut code = Code::default();
        let length = bytes.len() as u64;
        let segment = Segment {
            address: START,
            memory_size: length,
            file_offset: 0,
            file_size: length,
            permissions: Permissions::ReadExecute,
        };
        code.add(&segment, bytes);
        code.check(functions, &[]).map_err(|(_, reason)| reason)
    };
    let two = [(START, 1), (START + 3, 1)];
    assert_eq!(verdict(&[0xc3, 0xcc, 0xcc, 0xc3], &two), Ok(()));
    for foreign in [
        [0xc3, 0x90, 0xcc, 0xc3],
        [0xc3, 0xcc, 0xc3, 0xc3],
        // A function may not end within an instruction.
        [0x31, 0xc0, 0xcc, 0xc3],
    ] {
        assert_eq!(verdict(&foreign, &two), Err(Reason::NoFunction));
    }
}

/// `gs:[field]` behind an opcode that ends in a ModRM byte for an absolute address.
fn access(opcode: &[u8], field: usize) -> Vec<u8> {
    let field = u32::try_from(field).unwrap().to_le_bytes();
    [&[0x65], opcode, &[0x25], &field].concat()
}

#[test]
fn the_control_block_is_accessed_in_known_ways() {
    let load: &[u8] = &[0x48, 0x8b, 0x04];
    let known = [
        access(load, offset::SERVICES),
        access(load, offset::CHAIN),
        access(&[0x8b, 0x0c], offset::WORK_PENDING),
        access(&[0xff, 0x14], offset::CAME_BACK),
        [
            &access(&[0xc7, 0x04], offset::PREEMPT_OFF)[..],
            &[1, 0, 0, 0],
        ]
        .concat(),
    ];
    for code in known {
        assert_eq!(verdict(&code), Ok(()), "{code:02x?}");
    }
    let unknown = [
        // The kernel's own fields, and none at all.
        access(
            load,
            core::mem::offset_of!(abi::thread::ThreadControl, kernel),
        ),
        access(load, core::mem::offset_of!(abi::thread::ThreadControl, cpu)),
        access(load, 0x1000),
        // Stores: of the stack's limit, the services, too many of what is counted.
        access(&[0x48, 0x89, 0x04], offset::TOP_CALL_LIMIT),
        access(&[0x48, 0x89, 0x04], offset::SERVICES),
        [
            &access(&[0xc7, 0x04], offset::PREEMPT_OFF)[..],
            &[2, 0, 0, 0],
        ]
        .concat(),
        // Another width, operation or segment, a register in the address.
        access(&[0x8b, 0x04], offset::SERVICES),
        access(&[0x48, 0x33, 0x04], offset::SERVICES),
        [&[0x64], &access(load, offset::SERVICES)[1..]].concat(),
        vec![0x65, 0x48, 0x8b, 0x00],
        vec![0x65, 0x48, 0x8b, 0x40, 0x50],
        // rep movsb from gs:[rsi]
        vec![0x65, 0xf3, 0xa4],
    ];
    for code in unknown {
        assert_eq!(verdict(&code), Err(Reason::ControlBlock), "{code:02x?}");
    }
    for field in [offset::CHAIN, offset::CURRENT] {
        let store = access(&[0x48, 0x89, 0x04], field);
        assert_eq!(verdict(&store), Err(Reason::BrokenCrossing));
    }
    // A stub's address is called, not loaded.
    let address = access(load, offset::CROSS);
    assert_eq!(verdict(&address), Err(Reason::BrokenCrossing));
}

#[test]
fn crossings_are_whole_and_nothing_leads_into_them() {
    for stub in [offset::CROSS, offset::CROSS_MOVING] {
        let crossing = gs::crossing(stub);
        let code = |prefix: &[u8]| [prefix, &crossing, &[0xc3]].concat();
        assert_eq!(verdict(&code(&[])), Ok(()));
        assert_eq!(verdict(&code(&[0xeb, 0x00])), Ok(()));
        // Without its beginning, without its end, with another register.
        for broken in [&crossing[5..], &crossing[..crossing.len() - 5]] {
            assert_eq!(verdict(broken), Err(Reason::BrokenCrossing));
        }
        let mut other = crossing.clone();
        other[16] ^= 8;
        assert_eq!(verdict(&other), Err(Reason::BrokenCrossing));
        // Behind the call: what r13 holds would become the current domain.
        let target = START + 2 + 13;
        assert_eq!(
            verdict(&code(&[0xeb, 13])),
            Err(Reason::IntoCrossing(target))
        );
        let bytes = code(&[]);
        let inside = START + 5;
        assert_eq!(
            pointed(&bytes, &[inside]),
            Err(Reason::IntoCrossing(inside))
        );
    }
}
