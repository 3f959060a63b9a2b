.globl redleaf_cross
.globl redleaf_cross_moving
.globl redleaf_unwind
.globl redleaf_cross_end
# Types and sizes name the functions in backtraces.
.type redleaf_cross, @function
.type redleaf_cross_moving, @function
.type redleaf_unwind, @function
# What enters the function, from the check of the slot on. Registers as in
# `abi::thread::CrossStub`; r12, r13 and r15 are free. `before` is done once
# the call is sure to start.
.macro redleaf_enter before:vararg
    cmp qword ptr [rax + {live}], r10
    jne .Lredleaf_not_started
# The generation's low half leads to the limit: `abi::thread::generation_of`.
    cmp rsp, qword ptr gs:[r10d]
    jb .Lredleaf_no_stack
    \before
# Counts the call on this CPU, up to the next one that is timed; nothing
# pre-empts the stub.
    mov r15, qword ptr gs:[{counters}]
    inc qword ptr [r15 + r14]
    jz .Lredleaf_timed
    redleaf_link
.endm
# Links the continuation, whose first word the call has pushed, and jumps to the
# function, which returns to where the stub was called.
.macro redleaf_link
# What is to be restored waits in registers the function keeps: through
# memory alone, one crossing after the other would wait for its stores.
    mov r12, qword ptr gs:[{chain}]
    mov r13, qword ptr gs:[{current}]
    mov qword ptr [rsp + {previous}], r12
    mov qword ptr [rsp + {caller}], r13
    mov qword ptr [rsp + {callee}], rax
    mov qword ptr [rsp + {kept_rbx}], rbx
    mov qword ptr [rsp + {kept_rbp}], rbp
    mov qword ptr gs:[{chain}], rsp
    mov qword ptr gs:[{current}], rax
    jmp qword ptr [rdx + r11]
.endm
.p2align 6
redleaf_cross:
    redleaf_enter
.p2align 6
# The same for calls that move exchange objects to the callee: it starts
# undisturbed, so that it has taken them if it dies.
redleaf_cross_moving:
    redleaf_enter mov dword ptr gs:[{preempt_off}], 1
# The caller goes on as if the function had returned.
.Lredleaf_not_started:
    mov edx, {not_started}
    jmp 2f
.Lredleaf_no_stack:
    mov edx, {no_stack}
2:
    mov r12, qword ptr gs:[{chain}]
    mov r13, qword ptr gs:[{current}]
    ret
# One call in many, or each while a trace runs: timed from here to where
# the crossing comes back, also from a death, because its continuation
# leads here.
.Lredleaf_timed:
# As `statistics::begin_interval`.
    mov r13, qword ptr [rip + {interval}]
    add qword ptr [r15 + r14 + {ends}], r13
    neg r13
    mov qword ptr [r15 + r14], r13
    push r14
    push rax
    mov r12, rax
    mov r13, rdx
    rdtsc
    shl rdx, 32
    or rax, rdx
    push rax
    mov rax, r12
    mov rdx, r13
    lea rsp, [rsp - {room}]
    call 3f
    mov qword ptr gs:[{current}], r13
    mov qword ptr gs:[{chain}], r12
    lea rsp, [rsp + {room}]
    mov r14, rax
    mov r15, rdx
    mov rdi, qword ptr [rsp]
    mov rsi, qword ptr [rsp + 8]
    mov rdx, qword ptr [rsp + 16]
    mov rcx, r15
    call {sampled}
    mov rax, r14
    mov rdx, r15
    lea rsp, [rsp + 24]
# To the caller, who does once more what has just been done.
    ret
3:
    redleaf_link
.purgem redleaf_enter
.purgem redleaf_link
# Brings the thread to its newest continuation whose caller lives.
redleaf_unwind:
    mov rsp, qword ptr gs:[{chain}]
    mov r12, qword ptr [rsp + {previous}]
    mov r13, qword ptr [rsp + {caller}]
    mov rbx, qword ptr [rsp + {kept_rbx}]
    mov rbp, qword ptr [rsp + {kept_rbp}]
    mov qword ptr gs:[{chain}], r12
    mov qword ptr gs:[{current}], r13
    cmp qword ptr [r13 + {live}], 0
    je 7f
    cld
    fninit
    mov dword ptr [rsp - 8], 0x1f80
    ldmxcsr dword ptr [rsp - 8]
    mov dword ptr gs:[{kernel_depth}], 0
    mov dword ptr gs:[{preempt_off}], 0
    mov edx, {died}
    ret
# This one is dead, too. The frames below are gone.
7:
    and rsp, -16
    call {unwind_further}
    ud2
redleaf_cross_end:
.size redleaf_cross, redleaf_cross_moving - redleaf_cross
.size redleaf_cross_moving, redleaf_unwind - redleaf_cross_moving
.size redleaf_unwind, redleaf_cross_end - redleaf_unwind
