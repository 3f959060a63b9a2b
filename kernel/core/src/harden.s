# Rights of protection keys (PKRU) at the borders of domains: see harden.rs.
# RDPKRU wants ecx 0 and clears edx; WRPKRU wants ecx and edx 0.
.globl redleaf_keyed_cross
.globl redleaf_keyed_cross_moving
.globl redleaf_keyed_cross_end
.globl redleaf_keyed_came_back
.globl redleaf_keyed_service
.type redleaf_keyed_cross, @function
.type redleaf_keyed_cross_moving, @function
.type redleaf_keyed_came_back, @function
.type redleaf_keyed_service, @function
# A crossing stub around the plain one: the callee has its own rights and those of its
# callers, who lend it what lies in their heaps. The rights before wait on the stack, and
# are the caller's again also when the callee dies, because its continuation leads here.
# Registers as in `abi::thread::CrossStub`.
.macro redleaf_keyed stub
    mov r12, rax
    mov r13, rdx
    mov r15, rcx
    xor ecx, ecx
    rdpkru
    push rax
# The kernel, which may do everything, lends nothing of that.
    mov ecx, -1
    test eax, eax
    cmovz eax, ecx
    xor ecx, ecx
    and eax, dword ptr [r12 + {rights}]
    wrpkru
    mov rax, r12
    mov rdx, r13
    mov rcx, r15
    lea rsp, [rsp - {room}]
    call \stub
    mov qword ptr gs:[{current}], r13
    mov qword ptr gs:[{chain}], r12
    lea rsp, [rsp + {room}]
    mov r14, rax
    mov r15, rdx
    pop rax
    xor ecx, ecx
    xor edx, edx
    wrpkru
    mov rax, r14
    mov rdx, r15
# To the caller, who does once more what has just been done.
    ret
.endm
.p2align 6
redleaf_keyed_cross:
    redleaf_keyed {cross}
.p2align 6
redleaf_keyed_cross_moving:
    redleaf_keyed {cross_moving}
redleaf_keyed_cross_end:
.purgem redleaf_keyed
.size redleaf_keyed_cross, redleaf_keyed_cross_moving - redleaf_keyed_cross
.size redleaf_keyed_cross_moving, redleaf_keyed_cross_end - redleaf_keyed_cross_moving
# Calls what r11 leads to with all rights, and arguments and results passed through.
.p2align 6
redleaf_keyed_call:
    push rcx
    push rdx
    xor ecx, ecx
    rdpkru
    push rax
    xor eax, eax
    wrpkru
    mov rdx, qword ptr [rsp + 8]
    mov rcx, qword ptr [rsp + 16]
    call r11
    mov r10, rax
    mov r11, rdx
    mov eax, dword ptr [rsp]
    xor ecx, ecx
    xor edx, edx
    wrpkru
    lea rsp, [rsp + 24]
    mov rax, r10
    mov rdx, r11
    ret
redleaf_keyed_came_back:
    lea r11, [rip + {came_back}]
    jmp redleaf_keyed_call
.size redleaf_keyed_came_back, . - redleaf_keyed_came_back
# What the gate of each service goes on with, its number in r11.
redleaf_keyed_service:
    lea rax, [rip + {table} + {head_bytes}]
    mov r11, qword ptr [rax + r11 * 8]
    jmp redleaf_keyed_call
.size redleaf_keyed_service, . - redleaf_keyed_service
