/*
 * isagen TABLE.isa OUTDIR: makes the A64 decoder from the table of all encodings.
 *
 * Writes a64_insn.h (operations and the decoded instruction), a64_rows.inc (one macro line per row) and
 * a64_decode.inc (the decoder: a tree of switches). The notation is described at the top of a64.isa.
 * Every mistake in the table is reported as file:line: what; then nothing is written and the exit code is 1.
 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_ROWS = 2048,
    MAX_SLOTS = 64,
    MAX_FIELDS = 16,
    MAX_CONDITIONS = 4,
    MAX_FUNCTIONS = 64,
    MAX_LETS = 64,
    MAX_WINDOW = 6, /* bits that one switch of the decoder looks at */
};

/* A field of struct a64_insn. */
struct slot {
    const char *name, *text;
    int width;
};

/* A field of one row: bits of the word (expr is NULL) or derived. */
struct field {
    const char *name, *expr;
    int lsb, width;
    bool nonzero, used;
};

struct row {
    const char *name, *meaning, *feature, *conditions[MAX_CONDITIONS];
    int line;
    uint32_t mask, value;
    struct field fields[MAX_FIELDS];
    int field_count, condition_count;
    int bits_left; /* while the pattern is read: bits that are still to come */
    bool todo;
    int format;
};

/* A name for words that rows share. */
struct let {
    const char *name, *words;
};

static const char BLANKS[] = " \t\n";

static const char *path;
static int errors;
static struct slot slots[MAX_SLOTS];
static int slot_count;
static struct row rows[MAX_ROWS];
static int row_count;
static const char *functions[MAX_FUNCTIONS];
static int function_count;
static struct let lets[MAX_LETS];
static int let_count;
static char *formats[MAX_ROWS];
static int format_count;

__attribute__((format(printf, 2, 3))) static void fail(int line, const char *what, ...)
{
    va_list args;
    va_start(args, what);
    fprintf(stderr, "%s:%d: ", path, line);
    vfprintf(stderr, what, args);
    fputc('\n', stderr);
    va_end(args);
    errors++;
}

__attribute__((noreturn)) static void die(const char *what)
{
    fprintf(stderr, "isagen: %s: %s\n", what, strerror(errno));
    exit(1);
}

static FILE *open_in(const char *dir, size_t dir_len, const char *name, const char *mode)
{
    char *full = NULL;
    if (asprintf(&full, "%.*s/%s", (int)dir_len, dir, name) < 0)
        die("memory");
    FILE *f = fopen(full, mode);
    if (!f && *mode == 'w')
        die(full);
    free(full);
    return f;
}

#include "isagen_read.inc"

static bool is_proper_superset(uint32_t a, uint32_t b) { return (a & b) == b && a != b; }

/* Does b have 0 in all bits of a field of a that can't be 0? */
static bool excludes(const struct row *a, const struct row *b)
{
    for (int i = 0; i < a->field_count; i++) {
        const struct field *field = &a->fields[i];
        uint32_t bits = ((1u << field->width) - 1) << field->lsb;
        if (field->nonzero && (b->mask & bits) == bits && !(b->value & bits))
            return true;
    }
    return false;
}

static void check_overlaps(void)
{
    for (int i = 0; i < row_count; i++)
        for (int j = 0; j < i; j++) {
            const struct row *a = &rows[i], *b = &rows[j];
            if ((a->value ^ b->value) & a->mask & b->mask || excludes(a, b) || excludes(b, a))
                continue;
            if (!is_proper_superset(a->mask, b->mask) && !is_proper_superset(b->mask, a->mask))
                fail(a->line, "%s overlaps %s of line %d, and neither is more specific", a->name, b->name,
                     b->line);
        }
}

static void write_slots(FILE *out, int width, const char *type)
{
    for (int i = 0; i < slot_count; i++)
        if (slots[i].width == width)
            fprintf(out, "    %s %s; /* %s */\n", type, slots[i].name, slots[i].text);
}

static void write_insn(FILE *out)
{
    fprintf(out, "/* Made by isagen from %s. */\n#pragma once\n#include <stdint.h>\n\n", path);
    fprintf(out, "enum a64_op {\n    A64_UNALLOCATED,\n");
    for (int i = 0; i < row_count; i++)
        fprintf(out, "    A64_%s,\n", rows[i].name);
    fprintf(out, "    A64_OP_COUNT\n};\n\nstruct a64_insn {\n    uint64_t pc;\n");
    write_slots(out, 64, "int64_t");
    fprintf(out, "    uint32_t word;\n    uint16_t op; /* enum a64_op */\n");
    write_slots(out, 16, "uint16_t");
    write_slots(out, 8, "uint8_t");
    fprintf(out, "};\n");
}

static bool is_first_with_meaning(int i)
{
    if (rows[i].todo)
        return false;
    for (int j = 0; j < i; j++)
        if (!rows[j].todo && !strcmp(rows[j].meaning, rows[i].meaning))
            return false;
    return true;
}

static bool meaning_has_field(const char *meaning, const char *name)
{
    for (int i = 0; i < row_count; i++)
        if (!rows[i].todo && !strcmp(rows[i].meaning, meaning) && find_field(&rows[i], name, strlen(name)))
            return true;
    return false;
}

/* What an engine may specialise a meaning for. */
static const char *class_of(const char *meaning)
{
    return meaning_has_field(meaning, "sf") ? "SF" : meaning_has_field(meaning, "esz") ? "ESZ" : "PLAIN";
}

static void write_rows(FILE *out)
{
    static const char *const macros[] = {"A64_ROW(NAME, MEANING, FEATURE, TODO)", "A64_SEM(MEANING)",
                                         "A64_HAS_SF(NAME)", "A64_BITS(NAME, MASK, VALUE)",
                                         "A64_FIELD(NAME)", "A64_SEM_SF(MEANING)",
                                         "A64_SEM_ESZ(MEANING)", "A64_SEM_PLAIN(MEANING)",
                                         "A64_HANDLED(NAME, MEANING, CLASS)"};
    fprintf(out, "/* Made by isagen from %s. Define what you need of:\n", path);
    fprintf(out, "   A64_ROW once per row, A64_SEM once per meaning that a row without !todo has,\n");
    fprintf(out, "   A64_HAS_SF once per row whose operation has a width in sf,\n");
    fprintf(out,
            "   A64_BITS once per row: its fixed bits, A64_FIELD once per field of struct a64_insn,\n"
            "   A64_SEM_<class> once per meaning and A64_HANDLED once per row with a meaning: class SF if a row of\n"
            "   the meaning has the field sf, else ESZ if one has esz, else PLAIN. */\n");
    for (size_t i = 0; i < sizeof macros / sizeof *macros; i++)
        fprintf(out, "#ifndef %.*s\n#define %s\n#endif\n", (int)strcspn(macros[i], "("), macros[i],
                macros[i]);
    for (int i = 0; i < row_count; i++)
        fprintf(out, "A64_ROW(%s, %s, %s, %d)\n", rows[i].name, rows[i].meaning, rows[i].feature,
                rows[i].todo);
    for (int i = 0; i < row_count; i++)
        if (is_first_with_meaning(i))
            fprintf(out, "A64_SEM(%s)\n", rows[i].meaning);
    for (int i = 0; i < row_count; i++)
        if (find_field(&rows[i], "sf", 2))
            fprintf(out, "A64_HAS_SF(%s)\n", rows[i].name);
    for (int i = 0; i < row_count; i++)
        if (is_first_with_meaning(i))
            fprintf(out, "A64_SEM_%s(%s)\n", class_of(rows[i].meaning), rows[i].meaning);
    for (int i = 0; i < row_count; i++)
        if (!rows[i].todo)
            fprintf(out, "A64_HANDLED(%s, %s, %s)\n", rows[i].name, rows[i].meaning, class_of(rows[i].meaning));
    for (int i = 0; i < row_count; i++)
        fprintf(out, "A64_BITS(%s, 0x%08x, 0x%08x)\n", rows[i].name, rows[i].mask, rows[i].value);
    for (int i = 0; i < slot_count; i++)
        fprintf(out, "A64_FIELD(%s)\n", slots[i].name);
    for (size_t i = 0; i < sizeof macros / sizeof *macros; i++)
        fprintf(out, "#undef %.*s\n", (int)strcspn(macros[i], "("), macros[i]);
}

#include "isagen_tree.inc"

static void write_file(const char *dir, const char *name, void (*write)(FILE *))
{
    FILE *out = open_in(dir, strlen(dir), name, "w");
    write(out);
    if (ferror(out) || fclose(out))
        die(name);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: isagen TABLE.isa OUTDIR\n");
        return 2;
    }
    path = argv[1];
    read_functions();
    read_table();
    check_overlaps();
    if (errors)
        return 1;
    write_file(argv[2], "a64_insn.h", write_insn);
    write_file(argv[2], "a64_rows.inc", write_rows);
    write_file(argv[2], "a64_decode.inc", write_decoder);
    return 0;
}
