/* What -d prints about guest code: disassembly by capstone, which is loaded when it is asked for first. */
#ifndef XEMU_TRACE_H
#define XEMU_TRACE_H

#include <xemu/cpu.h>

#include <stdbool.h>
#include <stddef.h>

/* -d in_asm: the instructions at guest address pc, which must be readable. */
void log_guest_code(uint64_t pc, size_t bytes);

/* -d out_asm: the host's instructions at code, which run at address `at`. */
void log_host_code(uint64_t pc, const void *code, size_t bytes, uint64_t at);

/* -d ir: a block's IR; and that of the instructions at guest address pc, which must be readable. */
struct ir_block;
void log_ir_block(const struct ir_block *block);
void log_guest_ir(uint64_t pc, size_t bytes);

/* -d exec and -d cpu: pc, and the registers, before a block. */
void log_guest_state(const struct cpu *cpu);

/* "add x0, x1, #1" for a word at pc, into text[size]; ".inst 0x..." if nothing can disassemble it. */
void disassemble(uint32_t word, uint64_t pc, char *text, size_t size);

/* The same for the host's instruction at code[size], which runs at address `at`; returns its length, 1 for a byte that is
 * none, shown as .byte. */
size_t disassemble_host(const uint8_t *code, size_t size, uint64_t at, char *text, size_t room);

/* How many host instructions code[size] has, which holds whole ones only; 0 if nothing can disassemble it. */
uint64_t count_host_instructions(const uint8_t *code, size_t size);

/* Opens a capstone handle for AArch64, or for x86-64 if `host`, and finds cs_disasm and cs_free; false if there is no capstone.
 * In capstone_dynamic.c and capstone_static.c. */
struct capstone {
    size_t handle;
    size_t (*disasm)(size_t handle, const uint8_t *code, size_t size, uint64_t address, size_t count, void **insn);
    void (*free)(void *insn, size_t count);
};
bool capstone_open(struct capstone *capstone, bool host);

#endif
