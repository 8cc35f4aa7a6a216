/*
 * Expected values that xemu did not compute: vectors (a line of text: instructions, state before, state
 * after) and random streams of instructions, run by tests/vectors/machine.c under qemu-aarch64 and under
 * xemu.
 *
 *   vectors propose DIRECTORY [ROW...]             appends lines for rows without vectors (or the rows named)
 *   vectors make FILE... -- COMMAND...             completes lines without an "=>" by what COMMAND computes
 *   vectors check FILE... -- COMMAND...            says where COMMAND computes something else
 *   vectors modes FILE...                          appends lines to the last FILE for what `coverage` misses of FPCR, FPSR
 *   vectors coverage FILE...                       says which implemented rows no vector has, and which of them have
 *                                                  none with a rounding mode, FZ, DN, AH, NEP, or that sets QC
 *   vectors words [ROW...]                         lines `ROW WORD` of AdvSIMD, FP and CRC32 for benchmarks/isa
 *   vectors document FILE... [-- LOWERED]          all rows as a Markdown table: isa.md
 *   vectors stream SEED COUNT -- COMMAND... -- COMMAND...    random streams with COUNT instructions in all
 *   vectors cross PART/PARTS -- COMMAND... -- COMMAND...     floating point: all combinations of edge values, all
 *                                                  modes; of each PARTSth row from PART on; 0/1: all
 *
 * Before the mode, -r N runs the instructions N times more from the same state, so that an emulator finds
 * them hot. COMMAND is an emulator with the machine program. A vector is
 *
 *   91000420    add x0, x1, #1   | x1=0x41 => x0=0x42
 *
 * More than one word may stand before the text, which is only for readers. Before: registers that are not
 * mentioned are 0, byte i of the memory window is i (modulo 256). After: what is not mentioned is as before.
 * x0..x30 sp v0..v31 fpcr fpsr are hexadecimal; m+0x10 and pc+8 are addresses in the memory window and around
 * the instructions; nzcv=nZCv has upper-case letters for flags that are set; m+0x10=0x.. are as many bytes of
 * memory as there are pairs of digits; pc is mentioned where it isn't behind the last instruction, sig for a
 * signal. "nothing" stands for no assignment. A vector of several words counts for the rows that the comment above
 * names, or else for its first word's. A vector whose values qemu-aarch64 gets wrong says why after ";
 * not qemu:", and has its values from the Arm ARM.
 */
#include <xemu/cpu.h>
#include <xemu/insn.h>

#include "../tests/vectors/machine.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

struct vector {
    const char *file; /* NULL: a stream */
    int line;
    char *text; /* the line */
    struct machine_request request;
    struct machine_response expected;
    bool complete; /* has "=>" */
    bool not_qemu; /* qemu computes something else */
};

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *what, ...)
{
    va_list args;
    va_start(args, what);
    fprintf(stderr, "vectors: ");
    vfprintf(stderr, what, args);
    fputc('\n', stderr);
    va_end(args);
    exit(2);
}

static void *need(void *memory)
{
    if (!memory)
        die("not enough memory");
    return memory;
}

static const struct {
    const char *name, *meaning, *feature;
    uint32_t mask, value;
    bool todo;
} rows[A64_OP_COUNT] = {
#define A64_ROW(NAME, MEANING, FEATURE, TODO) [A64_##NAME].todo = TODO, [A64_##NAME].meaning = #MEANING, [A64_##NAME].feature = #FEATURE,
#include "a64_rows.inc"
#define A64_BITS(NAME, MASK, VALUE) \
    [A64_##NAME].name = #NAME, [A64_##NAME].mask = MASK, [A64_##NAME].value = VALUE,
#include "a64_rows.inc"
};

/* Whether executing it means something. */
static bool implemented(unsigned op)
{
    return op != A64_UNALLOCATED && !rows[op].todo && strcmp(rows[op].meaning, "UNDEFINED");
}

/* Pointer authentication depends on keys and on an algorithm that is the CPU's own; memory copies and sets are three
 * instructions in a row. No tool can choose their operands. */
static bool is_for_hands(unsigned op)
{
    return !strcmp(rows[op].feature, "FEAT_PAuth") || !strcmp(rows[op].feature, "FEAT_PACG") ||
           !strcmp(rows[op].feature, "FEAT_MOPS");
}

static int find_row(const char *name)
{
    for (int op = 1; op < A64_OP_COUNT; op++)
        if (!strcmp(rows[op].name, name))
            return op;
    return -1;
}

/* How often the instructions run again. */
static uint32_t repeat;

#include "vectors_text.inc"
#include "vectors_run.inc"
#include "vectors_data.inc"
#include "vectors_insn.inc"
#include "vectors_propose.inc"
#include "vectors_modes.inc"
#include "vectors_stream.inc"
#include "vectors_cross.inc"

/* --- commands ----------------------------------------------------------------------------------------- */

static struct vector *vectors;
static size_t vector_count;

static void read_file(const char *path)
{
    FILE *f = fopen(path, "r");
    char *line = NULL;
    size_t size = 0;
    if (!f)
        die("%s: %s", path, strerror(errno));
    for (int number = 1; getline(&line, &size, f) > 0; number++) {
        struct vector v = {.file = path, .line = number};
        line[strcspn(line, "\n")] = 0;
        const char *wrong = parse_vector(&v, line);
        if (wrong)
            die("%s:%d: %s", path, number, wrong);
        if (!(vector_count & (vector_count + 1)))
            vectors = need(realloc(vectors, (2 * vector_count + 2) * sizeof *vectors));
        v.text = need(strdup(line));
        vectors[vector_count++] = v;
    }
    free(line);
    fclose(f);
}

/* The vectors without comments and the lines that `wanted` refuses; *n is their number. */
static struct vector **select_vectors(bool (*wanted)(const struct vector *), size_t *n)
{
    struct vector **selected = need(malloc((vector_count + 1) * sizeof *selected));
    *n = 0;
    for (size_t i = 0; i < vector_count; i++)
        if (vectors[i].request.count && wanted(&vectors[i]))
            selected[(*n)++] = &vectors[i];
    return selected;
}

static bool is_complete(const struct vector *v) { return v->complete; }
static bool is_complete_for_qemu(const struct vector *v) { return v->complete && !v->not_qemu; }
static bool is_incomplete(const struct vector *v) { return !v->complete; }

static int check(char **command)
{
    size_t n, bad = 0, unknown = 0;
    bool qemu = strstr(command[0], "qemu") != NULL;
    struct vector **selected = select_vectors(qemu ? is_complete_for_qemu : is_complete, &n);
    struct machine_response *got = run_machine(command, selected, n);
    for (size_t i = 0; i < n; i++) {
        char difference[4096];
        if (qemu && got[i].signal == SIGILL && selected[i]->expected.signal != SIGILL) {
            unknown++; /* an instruction that is younger than this qemu */
            continue;
        }
        if (qemu && selected[i]->request.state.fpcr & ~got[i].state.fpcr) {
            unknown++; /* a bit of FPCR */
            continue;
        }
        if (describe_difference(selected[i], &got[i], difference, sizeof difference)) {
            printf("%s:%d: %.48s: %s\n", selected[i]->file, selected[i]->line, text_column(selected[i]),
                   difference);
            bad++;
        }
    }
    printf("%zu vectors, %zu wrong", n, bad);
    printf(unknown ? ", %zu not known there\n" : "\n", unknown);
    free(got);
    free(selected);
    return bad != 0;
}

/* Writes the file anew, with the lines that were completed. */
static void rewrite_file(const char *path)
{
    FILE *f = fopen(path, "w");
    if (!f)
        die("%s: %s", path, strerror(errno));
    for (size_t i = 0; i < vector_count; i++)
        if (!strcmp(vectors[i].file, path))
            fprintf(f, "%s\n", vectors[i].text);
    if (fclose(f))
        die("%s: %s", path, strerror(errno));
}

static int make(char **files, int file_count, char **command)
{
    size_t n;
    struct vector **selected = select_vectors(is_incomplete, &n);
    struct machine_response *got = run_machine(command, selected, n);
    char **texts = disassemble(selected, n);
    for (size_t i = 0; i < n; i++) {
        struct a64_insn in;
        a64_decode(selected[i]->request.words[0], MACHINE_CODE, &in);
        if (got[i].signal == SIGILL && in.op != A64_UDF && in.op != A64_HLT)
            fprintf(stderr, "%s:%d: %s is undefined there\n", selected[i]->file, selected[i]->line,
                    a64_name(in.op));
        selected[i]->expected = got[i];
        selected[i]->text = complete_line(selected[i], texts[i]);
    }
    for (int i = 0; i < file_count; i++)
        rewrite_file(files[i]);
    printf("%zu vectors completed\n", n);
    return 0;
}

static void mark_shown(unsigned shown[A64_OP_COUNT])
{
    for (size_t i = 0; i < vector_count; i++) {
        struct a64_insn in;
        a64_decode(vectors[i].request.words[0], MACHINE_CODE, &in);
        shown[in.op] |= shown_by(&vectors[i]);
    }
}

/* --- what a vector is about ---------------------------------------------------------------------- */

static bool heading_names(const char *heading, const char *name)
{
    static const char separators[] = "#,: ";
    size_t length = strlen(name);
    for (const char *at = heading; (at = strstr(at, name)); at += length)
        if (at > heading && strchr(separators, at[-1]) && strchr(separators, at[length]))
            return true;
    return false;
}

static bool has_word_of(const struct vector *v, unsigned op)
{
    for (uint32_t w = 0; w < v->request.count; w++) {
        struct a64_insn in;
        a64_decode(v->request.words[w], MACHINE_CODE, &in);
        if (in.op == op)
            return true;
    }
    return false;
}

/* The others of a line's words only prepare for, or show, what the instruction does that the line is about. It is of
 * the rows that the section's heading names, or that of the line's first word. */
static void count_vectors(unsigned counts[A64_OP_COUNT])
{
    const char *heading = "";
    for (size_t i = 0; i < vector_count; i++) {
        const struct vector *v = &vectors[i];
        if (!v->request.count) {
            heading = v->text;
            continue;
        }
        bool named = false;
        for (unsigned op = 1; op < A64_OP_COUNT; op++) {
            bool about = heading_names(heading, rows[op].name) && has_word_of(v, op);
            counts[op] += about;
            named |= about;
        }
        struct a64_insn in;
        a64_decode(v->request.words[0], MACHINE_CODE, &in);
        counts[in.op] += !named;
    }
}

static void mark_covered(bool covered[A64_OP_COUNT])
{
    unsigned counts[A64_OP_COUNT] = {0};
    count_vectors(counts);
    for (unsigned op = 1; op < A64_OP_COUNT; op++)
        covered[op] = counts[op];
}

static int coverage(void)
{
    bool covered[A64_OP_COUNT];
    int missing = 0, total = 0;
    mark_covered(covered);
    for (unsigned op = 1; op < A64_OP_COUNT; op++) {
        total += implemented(op);
        if (implemented(op) && !covered[op] && ++missing)
            printf("%s has no vector\n", rows[op].name);
    }
    int modes = missing_modes();
    printf("%d rows, %d without a vector, %d without a mode of theirs\n", total, missing, modes);
    return missing || modes;
}

/* --- isa.md -------------------------------------------------------------------------------------- */

/* How the back end runs each row, where it said so: LOWERED has lines `ROW how`. */
static char *lowered[A64_OP_COUNT];

static const char lowered_text[] =
    "\nThe column before it says how compiled code executes the row, as found by compiling words of it on a host of level\n"
    "v3, and in parentheses where v4 differs; interpreter and `--engine=ir` do all of them.\n\n"
    "| executed | by |\n|---|---|\n"
    "| inline | host code only; an invalid floating-point operation and a tagged pointer are left to functions, as are "
    "numbers while FPCR asks for what the host does not do |\n"
    "| inline, rarely function | host code, and behind it the call of a function for rare operands |\n"
    "| function | the call of a function |\n"
    "| inline or function | some words so, some so: another size, or more operands outside of host registers |\n"
    "| run loop | compiled code is left: system calls, breakpoints, changes of code |\n"
    "| interpreter | never compiled |\n"
    "| undefined, not yet | SIGILL |\n";

static void read_lowered(const char *path)
{
    char name[32], how[64];
    FILE *f = fopen(path, "r");
    if (!f)
        die("%s: %s", path, strerror(errno));
    while (fscanf(f, "%31s %63[^\n]", name, how) == 2) {
        int op = find_row(name);
        if (op < 0)
            die("%s: there is no row %s", path, name);
        lowered[op] = need(strdup(how));
    }
    fclose(f);
}

/* The fixed bits, from bit 31 down, in groups of four; a dot is any value. */
static void print_pattern(unsigned op)
{
    for (int bit = 31; bit >= 0; bit--) {
        bool fixed = rows[op].mask >> bit & 1;
        putchar(!fixed ? '.' : '0' + (rows[op].value >> bit & 1));
        if (bit && !(bit & 3))
            putchar(' ');
    }
}

static const char *state_of(unsigned op)
{
    if (rows[op].todo)
        return "not yet";
    if (!implemented(op))
        return "undefined";
    return lowered[op] ? lowered[op] : "yes";
}

static int document(const char *lowered_path)
{
    static unsigned counts[A64_OP_COUNT];
    unsigned done = 0, undefined = 0, todo = 0;
    if (lowered_path)
        read_lowered(lowered_path);
    count_vectors(counts);
    for (unsigned op = 1; op < A64_OP_COUNT; op++) {
        done += implemented(op);
        todo += rows[op].todo;
        undefined += !rows[op].todo && !implemented(op);
    }
    printf("# The instruction set\n\nMade by `make docs` from `frontend-arm64/a64.isa`. %u encodings are executed; %u are always undefined for\n"
           "a program, as they are the operating system's or belong to a feature that xemu does not have; %u are still to be\n"
           "done. The last column counts the vectors about each, whose expected values come from elsewhere than xemu.\n",
           done, undefined, todo);
    if (lowered_path)
        fputs(lowered_text, stdout);
    printf("\n| row | fixed bits | feature | executed | vectors |\n|---|---|---|---|---|\n");
    for (unsigned op = 1; op < A64_OP_COUNT; op++) {
        printf("| %s | `", rows[op].name);
        print_pattern(op);
        printf("` | %s | %s | %u |\n", rows[op].feature, state_of(op), counts[op]);
    }
    return 0;
}

/* One word of each row that computes with registers 0 to 3 alone, for each element size. */
static int print_words(char **names)
{
    for (unsigned op = 1; op < A64_OP_COUNT; op++) {
        bool wanted = !*names && implemented(op) && (is_simd(rows[op].value) || starts_with(rows[op].name, "CRC32"));
        for (char **name = names; *name; name++)
            wanted |= !strcmp(rows[op].name, *name);
        for (unsigned esz = 0; wanted && esz < 5; esz++) {
            uint32_t word;
            if (cross_word(op, esz, &word))
                printf("%s_%u %08x\n", rows[op].name, 8u << esz, word);
        }
    }
    return 0;
}

/* The index of the next "--" from argv[i] on, or argc; argv[] ends there. */
static int find_dashes(int argc, char **argv, int i)
{
    while (i < argc && strcmp(argv[i], "--"))
        i++;
    argv[i] = NULL;
    return i;
}

int main(int argc, char **argv)
{
    if (argc > 3 && !strcmp(argv[1], "-r")) {
        repeat = (uint32_t)strtoul(argv[2], NULL, 0);
        argc -= 2;
        argv += 2;
    }
    const char *mode = argc > 1 ? argv[1] : "";
    int dashes = find_dashes(argc, argv, 2),
        second = dashes < argc ? find_dashes(argc, argv, dashes + 1) : argc;
    char **command = dashes < argc ? argv + dashes + 1 : NULL,
         **other = second < argc ? argv + second + 1 : NULL;

    if (!strcmp(mode, "words"))
        return print_words(argv + 2);
    if (!strcmp(mode, "propose") && argc > 2)
        return propose(argv[2], argv + 3);
    if (!strcmp(mode, "stream") && dashes == 4 && command && other)
        return streams(strtoull(argv[2], NULL, 0), strtoull(argv[3], NULL, 0), command, other);
    unsigned part, parts;
    if (!strcmp(mode, "cross") && command && other && sscanf(argv[2], "%u/%u", &part, &parts) == 2 && part < parts)
        return cross_products(part, parts, command, other);
    for (int i = 2; i < dashes; i++)
        read_file(argv[i]);
    if (!strcmp(mode, "modes"))
        return propose_modes(argv[dashes - 1]);
    if (!strcmp(mode, "coverage"))
        return coverage();
    if (!strcmp(mode, "document"))
        return document(command ? command[0] : NULL);
    if (!strcmp(mode, "check") && command)
        return check(command);
    if (!strcmp(mode, "make") && command)
        return make(argv + 2, dashes - 2, command);
    die("usage: see the top of tools/vectors.c");
}
