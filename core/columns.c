/* A block of guest code side by side: each guest instruction, its IR and its host code in rows of their own. */
#include "columns.h"

#include <stdlib.h>
#include <string.h>

enum { RUNS_COLUMN = 12, GUEST_COLUMN = 38, ADDRESS_COLUMN = 15, IR_COLUMN = 38 };

/* The operations of one guest instruction: lines of the block's text. */
static char *next_operation(char **text)
{
    char *line = *text;
    if (!line || !*line || strncmp(line, "mark ", 5) == 0)
        return NULL;
    char *end = strchr(line, '\n');
    if (end)
        *end++ = 0;
    *text = end;
    return line;
}

/* To behind the line of the next mark. */
static void skip_mark(char **text)
{
    char *end = *text ? strchr(*text, '\n') : NULL;
    *text = end ? end + 1 : NULL;
}

/* The host's instructions in [*at, end), one with each call; false at the end. */
static bool next_host(const struct host_code *host, uint32_t *at, uint32_t end, char *text, size_t size)
{
    if (*at >= end)
        return false;
    *at += (uint32_t)disassemble_host(host->code + *at, end - *at, host->at + *at, text, size);
    return true;
}

static int guest_width(const struct columns *block)
{
    return (block->words ? GUEST_COLUMN : ADDRESS_COLUMN) + (block->runs ? RUNS_COLUMN + 2 : 0);
}

static void print_row(FILE *out, const struct columns *block, const char *guest, const char *ir, const char *host)
{
    fprintf(out, "%-*s", *ir || *host ? guest_width(block) : 0, guest);
    if (block->ir && (*ir || *host))
        fprintf(out, "  %-*s", *host ? IR_COLUMN : 0, ir);
    fprintf(out, "%s%s\n", *host ? "  " : "", host);
}

/* Guest instruction n, whose code is this part. */
static void print_instruction(FILE *out, const struct columns *block, unsigned n, unsigned part, char **ir)
{
    static const struct code_profile_insn none;
    const struct code_profile_insn *insn = block->host.parts ? &block->host.parts->insns[part] : &none;
    uint64_t pc = block->pc + 4 * n;
    char text[100] = "", host[160], guest[140], runs[RUNS_COLUMN + 12] = "";
    uint32_t at = insn->start;
    if (block->words)
        disassemble(block->words[n], pc, text, sizeof text);
    if (block->runs && part == n)
        snprintf(runs, sizeof runs, "%*lu  ", RUNS_COLUMN, profile_runs(block->runs, n));
    else if (block->runs)
        snprintf(runs, sizeof runs, "%*s", RUNS_COLUMN + 2, "");
    snprintf(guest, sizeof guest, "%s%lx:%s%s", runs, pc, *text ? " " : "", text);
    skip_mark(ir);
    for (bool first = true;; first = false) {
        const char *operation = next_operation(ir);
        bool more = next_host(&block->host, &at, insn->end, host, sizeof host);
        if (!first && !operation && !more)
            return;
        print_row(out, block, first ? guest : "", operation ? operation : "", more ? host : "");
    }
}

/* A loop's code for all rounds but the first. */
static void print_further_rounds(FILE *out, const struct columns *block)
{
    if (block->host.parts->again)
        fprintf(out, "%*sfurther rounds of the loop:\n", block->runs ? RUNS_COLUMN + 2 : 0, "");
    for (unsigned n = 0; n < block->host.parts->again; n++)
        print_instruction(out, block, n, block->count + n, &(char *){NULL});
}

/* Rare cases, and what leads out of the block before it is linked to others. */
static void print_rest(FILE *out, const struct columns *block)
{
    char host[160], title[80];
    unsigned parts = block->host.parts->count + block->host.parts->again;
    uint32_t at = parts ? block->host.parts->insns[parts - 1].end : 0;
    snprintf(title, sizeof title, "%*sbehind: rare cases, ways out", block->runs ? RUNS_COLUMN + 2 : 0, "");
    for (bool first = true; next_host(&block->host, &at, block->host.bytes, host, sizeof host); first = false)
        print_row(out, block, first ? title : "", "", host);
}

static char *text_of(const struct ir_block *ir)
{
    char *text = NULL;
    size_t size;
    FILE *out = ir ? open_memstream(&text, &size) : NULL;
    if (!out)
        return NULL;
    ir_print(out, ir);
    fclose(out);
    return text;
}

static const char *plural(uint64_t count) { return count == 1 ? "" : "s"; }

static void print_head(FILE *out, const struct columns *block)
{
    const struct host_code *host = &block->host;
    fprintf(out, "block %#lx: %u instruction%s", block->pc, block->count, plural(block->count));
    if (host->parts)
        fprintf(out, ", %u bytes of host code at %#lx", host->bytes, host->at);
    if (block->runs) {
        uint64_t entered = profile_runs(block->runs, 0);
        fprintf(out, ", entered %lu time%s", entered, plural(entered));
    }
    putc('\n', out);
    char guest[60];
    snprintf(guest, sizeof guest, "%*s%sguest", block->runs ? RUNS_COLUMN : 0, block->runs ? "runs" : "",
             block->runs ? "  " : "");
    print_row(out, block, guest, block->ir ? "IR" : "", host->parts ? "host" : "");
}

void columns_print(FILE *out, const struct columns *block)
{
    char *text = text_of(block->ir), *ir = text;
    print_head(out, block);
    for (unsigned n = 0; n < block->count; n++)
        print_instruction(out, block, n, n, &ir);
    if (block->host.parts) {
        print_further_rounds(out, block);
        print_rest(out, block);
    }
    free(text);
}
