/* Logs of guest code and state. */
#include <xemu/trace.h>
#include "columns.h"

#include <xemu/fp.h>
#include <xemu/insn.h>
#include <xemu/ir.h>
#include <xemu/log.h>
#include <xemu/mem.h>

#include <capstone/capstone.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The handle for guest or host code; null if there is no capstone. */
static const struct capstone *handle_for(bool host)
{
    static struct capstone handles[2];
    static enum { UNTRIED, MISSING, OPEN } state[2];
    if (state[host] == UNTRIED)
        state[host] = capstone_open(&handles[host], host) ? OPEN : MISSING;
    return state[host] == OPEN ? &handles[host] : NULL;
}

void disassemble(uint32_t word, uint64_t pc, char *text, size_t size)
{
    const struct capstone *capstone = handle_for(false);
    struct a64_insn in;
    void *found;

    if (capstone && capstone->disasm(capstone->handle, (const uint8_t *)&word, 4, pc, 1, &found) == 1) {
        const cs_insn *insn = found;
        snprintf(text, size, "%s %s", insn->mnemonic, insn->op_str);
        capstone->free(found, 1);
        return;
    }
    a64_decode(word, pc, &in);
    snprintf(text, size, ".inst 0x%08x ; %s", word, a64_name(in.op));
}

static void log_guest_code(uint64_t pc, size_t bytes)
{
    char text[160];
    for (uint64_t at = pc; at < pc + bytes; at += 4) {
        uint32_t word = (uint32_t)mem_load(at, 2);
        disassemble(word, at, text, sizeof text);
        log_printf("0x%012lx: %08x  %s\n", at, word, text);
    }
}

size_t disassemble_host(const uint8_t *code, size_t size, uint64_t at, char *text, size_t room)
{
    const struct capstone *capstone = handle_for(true);
    void *found;
    if (!capstone || capstone->disasm(capstone->handle, code, size, at, 1, &found) != 1) {
        snprintf(text, room, ".byte 0x%02x", *code);
        return 1;
    }
    const cs_insn *insn = found;
    size_t length = insn->size;
    snprintf(text, room, "%s%s%s", insn->mnemonic, insn->op_str[0] ? " " : "", insn->op_str);
    capstone->free(found, 1);
    return length;
}

uint64_t count_host_instructions(const uint8_t *code, size_t size)
{
    char text[160];
    uint64_t count = 0;
    if (!handle_for(true))
        return 0;
    for (size_t at = 0; at < size; count++)
        at += disassemble_host(code + at, size - at, 0, text, sizeof text);
    return count;
}

/* Data between the instructions is shown as bytes. */
static void log_host_code(uint64_t pc, const struct host_code *host)
{
    char text[160];
    log_printf("host code of block 0x%lx, %u bytes:\n", pc, host->bytes);
    for (uint32_t n = 0, size; n < host->bytes; n += size) {
        size = (uint32_t)disassemble_host(host->code + n, host->bytes - n, host->at + n, text, sizeof text);
        log_printf("  0x%012lx: %s\n", host->at + n, text);
    }
}

void log_ir_block(const struct ir_block *block)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    if (!out)
        return;
    ir_print(out, block);
    fclose(out);
    log_printf("IR of block 0x%lx:\n", block->pc);
    for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1)
        log_printf("  %.*s\n", (int)(end - line), line);
    free(text);
}

enum { LOG_CODE = LOG_IN_ASM | LOG_IR | LOG_OUT_ASM };

/* More than one of these items. */
static bool several(unsigned items)
{
    unsigned on = log_mask & items;
    return on & (on - 1);
}

bool log_wants_parts(void) { return log_on(LOG_OUT_ASM) && several(LOG_CODE); }

static void log_columns(uint64_t pc, size_t bytes, const struct ir_block *ir, const struct host_code *host)
{
    struct columns block = {.pc = pc, .count = (unsigned)(bytes / 4), .ir = ir};
    uint32_t *words = log_on(LOG_IN_ASM) ? calloc(block.count + 1, sizeof *words) : NULL;
    for (unsigned n = 0; words && n < block.count; n++)
        words[n] = (uint32_t)mem_load(pc + 4 * n, 2);
    block.words = words;
    if (host)
        block.host = *host;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out) {
        columns_print(out, &block);
        fclose(out);
        log_write(text, size);
    }
    free(text);
    free(words);
}

static void log_one(uint64_t pc, size_t bytes, const struct ir_block *ir, const struct host_code *host)
{
    if (log_on(LOG_IN_ASM))
        log_guest_code(pc, bytes);
    if (ir)
        log_ir_block(ir);
    if (host)
        log_host_code(pc, host);
}

void log_code(uint64_t pc, size_t bytes, const struct ir_block *ir, const struct host_code *host)
{
    struct ir_block *lifted = !ir && log_on(LOG_IR) ? malloc(sizeof *lifted) : NULL;
    if (lifted)
        lift_block(lifted, pc, (unsigned)(bytes / 4), NULL);
    ir = !log_on(LOG_IR) ? NULL : lifted ? lifted : ir;
    host = log_on(LOG_OUT_ASM) ? host : NULL;
    (several(host ? LOG_CODE : LOG_IN_ASM | LOG_IR) ? log_columns : log_one)(pc, bytes, ir, host);
    free(lifted);
}

void log_guest_state(const struct cpu *cpu)
{
    char text[1400];
    int n = 0;

    if (log_on(LOG_EXEC))
        log_printf("exec 0x%lx\n", cpu->pc);
    if (!log_on(LOG_CPU))
        return;
    for (int r = 0; r < 31; r++)
        n += snprintf(text + n, sizeof text - (size_t)n, "x%-2d %016lx%c", r, cpu->x[r], r % 4 == 3 ? '\n' : ' ');
    snprintf(text + n, sizeof text - (size_t)n, "sp  %016lx\npc  %016lx nzcv %x fpcr %08x fpsr %08x\n", cpu->x[31],
             cpu->pc, cpu->nzcv >> 28, cpu->fpcr, fp_get_fpsr(cpu));
    log_printf("%s", text);
}
