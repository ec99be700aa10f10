/* The firmware behind the boot-sector loader: as much of a PC's BIOS as a boot sector needs, as
 * real-mode code at F000:E000 (IBM PC/AT technical reference, "System BIOS"; Phoenix' Enhanced Disk
 * Drive specification for INT 13h, 41h and 42h). firmware.c holds the assembled bytes; a test
 * assembles this file and compares.
 *
 * Text goes to port E9. The disk is machine/devices/disk.h: its protocol is written there. Keys come
 * from COM1, where console input arrives. Not done on purpose: writing to the disk, graphics modes,
 * keys from the keyboard controller (a guest that takes IRQ 1 gets them itself). */
    .intel_syntax noprefix
    .code16
    .text

    .set ORIGIN, 0xe000
    .set CONSOLE, 0xe9
    .set DISK_LBA, 0x560
    .set DISK_DATA, 0x564
    .set DISK_STATUS, 0x565
    .set DISK_TRACK, 0x566
    .set DISK_HEADS, 0x567
    .set UART_MCR, 0x3fc
    .set UART_LSR, 0x3fd
    .set UART_DATA, 0x3f8
    .set KEY, 0x41e           /* BIOS data area: a character looked at but not taken */
    .set KEY_HELD, 0x41f
    .set TICKS, 0x46c

    .macro vectors handler, numbers:vararg
    .irp number, \numbers
    .word \number, \handler - table + ORIGIN
    .endr
    .endm

/* What the loader puts into the interrupt vector table: the handler of all vectors, then pairs of a
 * vector and its handler's offset, up to a vector of FFFF. */
table:
    .word ignore - table + ORIGIN
    vectors timer, 0x08
    vectors keyboard, 0x09
    vectors master, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f
    vectors slave, 0x70, 0x71, 0x72, 0x73, 0x74, 0x75, 0x76, 0x77
    vectors video, 0x10
    vectors equipment, 0x11
    vectors memory, 0x12
    vectors disk, 0x13
    vectors system, 0x15
    vectors keys, 0x16
    vectors restart, 0x18, 0x19
    vectors clock, 0x1a
    .word 0xffff

ignore:
    iret

/* ---- hardware interrupts */

timer:
    push ds
    push 0
    pop ds
    inc dword ptr [TICKS]
    pop ds
    int 0x1c
master:
    push ax
    mov al, 0x20
    out 0x20, al
    pop ax
    iret
keyboard:
    push ax
    in al, 0x60
    pop ax
    jmp master
slave:
    push ax
    mov al, 0x20
    out 0xa0, al
    pop ax
    jmp master

/* ---- INT 10h: video */

video:
    cmp ah, 0x0e
    je teletype
    cmp ah, 0x13
    je write_string
    cmp ah, 0x0f
    je video_mode
    cmp ah, 0x03
    je cursor
    iret
teletype:
    out CONSOLE, al
    iret
video_mode:                   /* mode 3: text, 80 columns, page 0 */
    mov ax, 0x5003
    mov bh, 0
    iret
cursor:
    mov cx, 0x0607
    xor dx, dx
    iret
write_string:                 /* CX characters at ES:BP; AL bit 1: attributes between them */
    pusha
    mov ah, al
    jcxz 2f
1:  mov al, es:[bp]
    out CONSOLE, al
    inc bp
    test ah, 2
    jz 3f
    inc bp
3:  loop 1b
2:  popa
    iret

/* ---- INT 11h and 12h */

equipment:
    mov ax, 0x0022            /* 80-column text, a coprocessor */
    iret
memory:
    mov ax, 639               /* KB below the extended BIOS data area */
    iret

/* ---- the frame of the handlers that return values and flags: PUSHAD, DS, ES, then SS:BP */

    .set DI_, 4
    .set SI_, 8
    .set BX_, 20
    .set DX_, 24
    .set CX_, 28
    .set AX_, 32
    .set FLAGS_, 40

    .macro enter_frame
    pushad
    push ds
    push es
    mov bp, sp
    .endm

succeed:                      /* AH = 0, carry clear */
    mov byte ptr [bp + AX_ + 1], 0
succeed_keep:
    and byte ptr [bp + FLAGS_], 0xfe
leave_frame:
    pop es
    pop ds
    popad
    iret
fail:                         /* AH = the error in AL, carry set */
    mov [bp + AX_ + 1], al
    or byte ptr [bp + FLAGS_], 1
    jmp leave_frame

/* ---- INT 13h: disk */

disk:
    enter_frame
    test dl, 0x7f             /* 00 and 80 are both the image */
    jnz disk_bad
    cmp ah, 0x02
    je disk_read
    cmp ah, 0x42
    je disk_read_extended
    cmp ah, 0x41
    je disk_extensions
    cmp ah, 0x08
    je disk_parameters
    cmp ah, 0x15
    je disk_type
    cmp ah, 0x01
    jbe succeed               /* reset, status */
    mov al, 3                 /* write-protected */
    cmp ah, 0x03
    je fail
    cmp ah, 0x43
    je fail
disk_bad:
    mov al, 1                 /* invalid function or parameter */
    jmp fail

disk_read:                    /* AL sectors from cylinder CH and CL 7-6, sector CL 5-0, head DH */
    movzx esi, cl
    mov edi, esi
    and edi, 63
    jz disk_bad
    shl esi, 2
    and esi, 0x300
    movzx eax, ch
    or esi, eax
    mov dx, DISK_HEADS
    in al, dx
    movzx eax, al
    imul esi, eax
    movzx eax, byte ptr [bp + DX_ + 1]
    add esi, eax
    mov dx, DISK_TRACK
    in al, dx
    movzx eax, al
    imul esi, eax
    lea esi, [esi + edi - 1]
    movzx cx, byte ptr [bp + AX_]
    test cx, cx
    jz disk_bad
    mov di, bx
    call transfer
    jc disk_no_sector
    jmp succeed

disk_read_extended:           /* DS:SI: size, 0, count, offset, segment, 64-bit LBA */
    mov cx, [si + 2]
    mov di, [si + 4]
    mov es, [si + 6]
    cmp dword ptr [si + 12], 0
    jne disk_no_sector
    mov esi, [si + 8]
    test cx, cx
    jz succeed
    call transfer
    jnc succeed
disk_no_sector:
    mov al, 4
    jmp fail

transfer:                     /* CX sectors from ESI to ES:DI; carry: no such sector */
    mov eax, esi
    mov dx, DISK_LBA
    out dx, eax
    mov dx, DISK_STATUS
    in al, dx
    cmp al, 1
    cmc
    jc 1f
    push cx
    push di
    mov cx, 512
    mov dx, DISK_DATA
    cld
    rep insb
    pop di
    pop cx
    mov ax, es                /* the offset stays: nothing wraps at 64 KB */
    add ax, 32
    mov es, ax
    inc esi
    loop transfer
    clc
1:  ret

disk_extensions:
    cmp bx, 0x55aa
    jne disk_bad
    mov word ptr [bp + BX_], 0xaa55
    mov word ptr [bp + CX_], 1
    mov byte ptr [bp + AX_ + 1], 0x21
    jmp succeed_keep

disk_parameters:              /* the last cylinder, sectors a track, the last head, one drive */
    mov dx, DISK_HEADS
    in al, dx
    movzx ebx, al
    mov dx, DISK_TRACK
    in al, dx
    movzx ecx, al
    mov edi, ebx
    imul edi, ecx
    mov dx, DISK_LBA
    in eax, dx
    xor edx, edx
    dec eax
    div edi                   /* rounded up, minus one */
    cmp eax, 1023
    jbe 1f
    mov eax, 1023
1:  mov [bp + CX_ + 1], al
    shl ah, 6
    or ah, cl
    mov [bp + CX_], ah
    dec bl
    mov [bp + DX_ + 1], bl
    mov byte ptr [bp + DX_], 1
    jmp succeed

disk_type:                    /* a fixed disk of CX:DX sectors */
    mov dx, DISK_LBA
    in eax, dx
    mov [bp + DX_], ax
    shr eax, 16
    mov [bp + CX_], ax
    mov byte ptr [bp + AX_ + 1], 3
    jmp succeed_keep

/* ---- INT 15h: memory sizes, A20 */

system:
    enter_frame
    cmp ax, 0xe820
    je memory_map
    cmp ax, 0xe801
    je memory_two_sizes
    cmp ah, 0x88
    je memory_extended
    cmp ah, 0x24
    je a20
    mov al, 0x86              /* unsupported function */
    jmp fail

a20:                          /* always open; 2402 asks for its state, 2403 for what supports it */
    cmp al, 0x02
    jb succeed
    ja 1f
    mov byte ptr [bp + AX_], 1
    jmp succeed
1:  mov word ptr [bp + BX_], 3
    jmp succeed

memory_extended:
    mov al, 0x17
    call cmos_word
    mov [bp + AX_], ax
    jmp succeed_keep

memory_two_sizes:             /* KB from 1 MB to 16 MB, 64 KB blocks above */
    mov al, 0x17
    call cmos_word
    cmp ax, 0x3c00
    jbe 1f
    mov ax, 0x3c00
1:  mov [bp + AX_], ax
    mov [bp + CX_], ax
    mov al, 0x34
    call cmos_word
    mov [bp + BX_], ax
    mov [bp + DX_], ax
    jmp succeed_keep

memory_map:                   /* EBX: which entry; 20 bytes to ES:DI: base, length, type */
    cmp edx, 0x534d4150       /* "SMAP" */
    jne memory_map_bad
    cmp ecx, 20
    jb memory_map_bad
    cmp ebx, 4
    jae memory_map_bad
    mov di, [bp + DI_]
    mov esi, ebx
    shl si, 4
    xor eax, eax
    mov es:[di + 4], eax
    mov es:[di + 12], eax
    mov eax, cs:[si + map - table + ORIGIN]
    mov es:[di], eax
    mov eax, cs:[si + map - table + ORIGIN + 4]
    mov es:[di + 8], eax
    mov eax, cs:[si + map - table + ORIGIN + 8]
    mov es:[di + 16], eax
    inc ebx
    cmp ebx, 4
    jne 1f
    call extended_bytes
    mov es:[di + 8], eax
    xor ebx, ebx              /* that was the last one */
1:  mov [bp + BX_], ebx
    mov dword ptr [bp + CX_], 20
    mov dword ptr [bp + AX_], 0x534d4150
    jmp succeed_keep
memory_map_bad:
    mov al, 0x86
    jmp fail

    .balign 4
map:
    .long 0, 0x9fc00, 1, 0
    .long 0x9fc00, 0x400, 2, 0
    .long 0xf0000, 0x10000, 2, 0
    .long 0x100000, 0, 1, 0

extended_bytes:               /* EAX: bytes of memory from 1 MB on */
    mov al, 0x34
    call cmos_word
    movzx eax, ax
    shl eax, 16
    jz 1f
    add eax, 0xf00000
    ret
1:  mov al, 0x17
    call cmos_word
    movzx eax, ax
    shl eax, 10
    ret

cmos_word:                    /* AX: the word at CMOS address AL */
    push bx
    mov bl, al
    inc al
    call cmos
    mov bh, al
    mov al, bl
    call cmos
    mov ah, bh
    pop bx
    ret
cmos:
    out 0x70, al
    in al, 0x71
    ret

/* ---- INT 16h: keys, from COM1 */

keys:
    enter_frame
    push 0
    pop ds
    and ah, 0xef              /* the enhanced functions are the same */
    cmp ah, 1
    jb key_wait
    je key_look
    mov byte ptr [bp + AX_], 0 /* shift state: none */
    jmp leave_frame
key_wait:
    call key_poll
    jz key_wait
    mov byte ptr [KEY_HELD], 0
    mov [bp + AX_], ax
    jmp leave_frame
key_look:
    and byte ptr [bp + FLAGS_], 0xbf
    call key_poll
    jz 1f
    mov [bp + AX_], ax
    jmp leave_frame
1:  or byte ptr [bp + FLAGS_], 0x40
    jmp leave_frame

key_poll:                     /* AX: the next character; zero flag: there is none */
    cmp byte ptr [KEY_HELD], 0
    jne 2f
    mov dx, UART_MCR
    mov al, 0x03              /* ready: DTR, RTS */
    out dx, al
    mov dx, UART_LSR
    in al, dx
    test al, 1
    jz 3f
    mov dx, UART_DATA
    in al, dx
    cmp al, 10                /* the Enter key is a carriage return */
    jne 1f
    mov al, 13
1:  mov [KEY], al
    mov byte ptr [KEY_HELD], 1
2:  movzx ax, byte ptr [KEY]
    or sp, sp                 /* clears the zero flag */
3:  ret

/* ---- INT 18h, 19h: start over */

restart:
    mov al, 0xfe
    out 0x64, al
1:  cli
    hlt
    jmp 1b

/* ---- INT 1Ah: time of day */

clock:
    enter_frame
    push 0
    pop ds
    cmp ah, 2
    je clock_time
    cmp ah, 4
    je clock_date
    mov al, 1
    test ah, ah
    jnz fail
    mov eax, [TICKS]
    mov [bp + DX_], ax
    shr eax, 16
    mov [bp + CX_], ax
    mov byte ptr [bp + AX_], 0
    jmp succeed
clock_time:
    mov al, 0x04
    call cmos
    mov [bp + CX_ + 1], al
    mov al, 0x02
    call cmos
    mov [bp + CX_], al
    mov al, 0x00
    call cmos
    mov [bp + DX_ + 1], al
    mov byte ptr [bp + DX_], 0
    jmp succeed
clock_date:
    mov al, 0x32
    call cmos
    mov [bp + CX_ + 1], al
    mov al, 0x09
    call cmos
    mov [bp + CX_], al
    mov al, 0x08
    call cmos
    mov [bp + DX_ + 1], al
    mov al, 0x07
    call cmos
    mov [bp + DX_], al
    jmp succeed
