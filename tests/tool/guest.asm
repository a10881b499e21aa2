; guest.asm - a machine that shows whether it goes on from exactly where it was.
;
; Forever: adds one to a counter, writes it over the head of each of 128 pages,
; having seen that the number before is still there, and writes it to the serial
; port as eight hexadecimal digits and a newline. A page that has another number
; than it should is told by a '!', for ever.
;
; Toggles CR4.PGE once a lap: that flushes the TLB of QEMU's emulator, which
; otherwise does not notice all writes between two dirty syncs. For the same
; reason no page is written twice in a lap, so there is no stack.

        bits 16
        org 0x7c00

PORT    equ 0x3f8
FIRST   equ 0x1000              ; segment of the first page
PAGES   equ 128
STEP    equ 0x100               ; 4096 bytes in segments

        %macro put 0            ; writes al once the port takes it
        mov ah, al
        mov dx, PORT + 5
%%wait: in al, dx
        test al, 0x20
        jz %%wait
        mov dx, PORT
        mov al, ah
        out dx, al
        %endmacro

start:  cli
        cld
        xor ax, ax
        mov ds, ax
        mov ax, FIRST           ; memory may hold anything
        mov cx, PAGES
clear:  mov es, ax
        mov dword [es:0], 0
        add ax, STEP
        loop clear
        xor ebx, ebx

lap:    mov ax, FIRST
        mov cx, PAGES
        lea edx, [ebx + 1]
page:   mov es, ax
        cmp [es:0], ebx
        jne wrong
        mov [es:0], edx
        add ax, STEP
        loop page
        mov ebx, edx

        mov eax, cr4
        xor eax, 0x80
        mov cr4, eax

        mov ecx, 8
        mov esi, ebx
digit:  rol esi, 4
        mov ax, si
        and al, 15
        cmp al, 10
        jb small
        add al, 'a' - '0' - 10
small:  add al, '0'
        put
        loop digit
        mov al, 10
        put
        jmp lap

wrong:  mov al, '!'
        put
        jmp wrong

        times 510 - ($ - $$) db 0
        dw 0xaa55
