/* What -d prints about guest code: disassembly by capstone, which is loaded when it is asked for first. */
#ifndef XEMU_TRACE_H
#define XEMU_TRACE_H

#include <xemu/cpu.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ir_block;
struct code_profile;

/* Host code, which runs at address `at`; parts: what of it belongs to which guest instruction. */
struct host_code {
    const uint8_t *code;
    uint32_t bytes;
    uint64_t at;
    const struct code_profile *parts;
};

/* -d in_asm, ir and out_asm: guest code of so many bytes at pc, which must be readable, with its IR (null: it is lifted
 * here) and its host code (null: there is none). Side by side where more than one of them is asked for. */
void log_code(uint64_t pc, size_t bytes, const struct ir_block *ir, const struct host_code *host);

/* Whether host code is shown beside something else, so that its parts must be known. */
bool log_wants_parts(void);

/* -d ir. */
void log_ir_block(const struct ir_block *block);

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
