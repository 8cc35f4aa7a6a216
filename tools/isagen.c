/*
 * isagen TABLE.isa OUTDIR: makes the A64 decoder from the table of all encodings.
 *
 * Writes a64_insn.h (operations and the decoded instruction), a64_rows.inc (one macro line per row) and
 * a64_decode.inc (the decoder: a tree of switches). The notation is described at the top of a64.isa.
 * Every mistake in the table is reported as file:line: what; then nothing is written and the exit code is 1.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ROWS = 2048, MAX_SLOTS = 64, MAX_FIELDS = 16, MAX_FUNCTIONS = 64, MAX_WINDOW = 6 };

/* A field of struct a64_insn. */
struct slot {
    const char *name, *text;
    int width;
};

/* A field of one row: bits of the word (expr is NULL) or derived. */
struct field {
    const char *name, *expr;
    int lsb, width;
    bool used;
};

struct row {
    const char *name, *meaning, *feature, *condition;
    int line;
    uint32_t mask, value;
    struct field fields[MAX_FIELDS];
    int field_count;
    bool todo;
    int format;
};

static const char *path;
static int errors;
static struct slot slots[MAX_SLOTS];
static int slot_count;
static struct row rows[MAX_ROWS];
static int row_count;
static const char *functions[MAX_FUNCTIONS];
static int function_count;
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

/* ---- reading ---- */

static const struct slot *find_slot(const char *name)
{
    for (int i = 0; i < slot_count; i++)
        if (!strcmp(slots[i].name, name))
            return &slots[i];
    return NULL;
}

static struct field *find_field(struct row *row, const char *name, size_t len)
{
    for (int i = 0; i < row->field_count; i++)
        if (strlen(row->fields[i].name) == len && !strncmp(row->fields[i].name, name, len))
            return &row->fields[i];
    return NULL;
}

static bool is_function(const char *name, size_t len)
{
    for (int i = 0; i < function_count; i++)
        if (strlen(functions[i]) == len && !strncmp(functions[i], name, len))
            return true;
    return false;
}

/* The functions are those that isa_functions.inc, beside the table, defines: lines `static ... name(...`. */
static void read_functions(void)
{
    const char *slash = strrchr(path, '/');
    FILE *f = slash ? open_in(path, (size_t)(slash - path), "isa_functions.inc", "r")
                    : open_in(".", 1, "isa_functions.inc", "r");
    char line[512];
    while (f && fgets(line, sizeof line, f)) {
        char *end = strchr(line, '(');
        if (strncmp(line, "static ", 7) || !end || function_count == MAX_FUNCTIONS)
            continue;
        char *start = end;
        while (start > line && (isalnum((unsigned char)start[-1]) || start[-1] == '_'))
            start--;
        functions[function_count++] = strndup(start, (size_t)(end - start));
    }
    if (f)
        fclose(f);
}

/* Marks the fields that an expression uses; names what it uses and the row doesn't have. */
static void check_expression(struct row *row, const char *expr)
{
    for (const char *p = expr; *p;) {
        size_t len = 0;
        while (isalnum((unsigned char)p[len]) || p[len] == '_')
            len++;
        if (len == 0) {
            p++;
            continue;
        }
        struct field *field = find_field(row, p, len);
        if (field)
            field->used = true;
        else if (p[len] == '(' && !is_function(p, len))
            fail(row->line, "%s: unknown function '%.*s'", row->name, (int)len, p);
        else if (p[len] != '(' && !isdigit((unsigned char)*p))
            fail(row->line, "%s: unknown field '%.*s'", row->name, (int)len, p);
        p += len;
    }
}

static void add_field(struct row *row, char *name, const char *expr, int lsb, int width)
{
    if (find_field(row, name, strlen(name)))
        fail(row->line, "%s: field '%s' occurs twice", row->name, name);
    else if (row->field_count == MAX_FIELDS)
        fail(row->line, "%s: more than %d fields", row->name, MAX_FIELDS);
    else
        row->fields[row->field_count++] =
            (struct field){ .name = name, .expr = expr, .lsb = lsb, .width = width };
}

/* Reads one token of the pattern; `bit` is the number of bits that are still to come. */
static int read_pattern(struct row *row, char *token, int bit)
{
    char *colon = strchr(token, ':');
    if (colon) {
        *colon = 0;
        int width = atoi(colon + 1);
        if (width < 1 || width > bit) {
            fail(row->line, "%s: the pattern has more than 32 bits at '%s'", row->name, token);
            return 0;
        }
        add_field(row, token, NULL, bit - width, width);
        return bit - width;
    }
    for (; *token; token++) {
        if (--bit < 0) {
            fail(row->line, "%s: the pattern has more than 32 bits", row->name);
            return 0;
        }
        if (*token == '.')
            continue;
        row->mask |= 1u << bit;
        row->value |= (uint32_t)(*token - '0') << bit;
    }
    return bit;
}

static bool is_pattern(const char *token)
{
    const char *colon = strchr(token, ':');
    if (colon)
        return isalpha((unsigned char)*token) && colon[1] && strspn(colon + 1, "0123456789") == strlen(colon + 1);
    return strspn(token, "01.") == strlen(token);
}

static void check_fields(struct row *row)
{
    for (int i = 0; i < row->field_count; i++) {
        const struct field *field = &row->fields[i];
        const struct slot *slot = find_slot(field->name);
        if (!slot && !field->used)
            fail(row->line, "%s: field '%s' is neither kept nor used", row->name, field->name);
        else if (slot && !field->expr && field->width > slot->width)
            fail(row->line, "%s: field '%s' has %d bits, more than the %d that are kept", row->name,
                 field->name, field->width, slot->width);
    }
}

static void read_row(int line, char *name)
{
    if (row_count == MAX_ROWS) {
        fail(line, "more than %d rows", MAX_ROWS);
        return;
    }
    struct row *row = &rows[row_count++];
    *row = (struct row){ .name = name, .meaning = name, .feature = "FEAT_BASE", .line = line };
    for (int i = 0; i < row_count - 1; i++)
        if (!strcmp(rows[i].name, name))
            fail(line, "%s: the name is taken by line %d", name, rows[i].line);
    int bit = 32;
    for (char *token; (token = strtok(NULL, " \t\n"));) {
        char *equals = strchr(token, '=');
        if (!strcmp(token, "!todo")) {
            row->todo = true;
        } else if (*token == '@') {
            row->feature = token + 1;
        } else if (*token == '~') {
            row->meaning = token + 1;
        } else if (*token == '?') {
            row->condition = token + 1;
            check_expression(row, row->condition);
        } else if (equals && isalpha((unsigned char)*token)) {
            *equals = 0;
            check_expression(row, equals + 1);
            add_field(row, token, equals + 1, 0, 0);
        } else if (is_pattern(token)) {
            bit = read_pattern(row, token, bit);
        } else {
            fail(line, "%s: can't read '%s'", name, token);
        }
    }
    if (bit > 0)
        fail(line, "%s: the pattern has %d bits, not 32", name, 32 - bit);
    check_fields(row);
}

/* field NAME[:WIDTH] "text" */
static void read_slot(int line)
{
    char *name = strtok(NULL, " \t"), *text = strtok(NULL, "\"\n");
    if (text && *text == ' ')
        text = strtok(NULL, "\"\n");
    if (!name || !text || slot_count == MAX_SLOTS) {
        fail(line, "expected: field NAME[:WIDTH] \"what it is\"");
        return;
    }
    char *colon = strchr(name, ':');
    int width = colon ? atoi(colon + 1) : 8;
    if (colon)
        *colon = 0;
    if (find_slot(name))
        fail(line, "field '%s' is declared twice", name);
    if (width != 8 && width != 16 && width != 64)
        fail(line, "field '%s': a width is 8, 16 or 64", name);
    slots[slot_count++] = (struct slot){ .name = name, .text = text, .width = width };
}

/* Reads a line and the indented lines that continue it; returns their number, 0 at the end of the file. */
static int read_logical_line(FILE *f, char **text)
{
    size_t size = 0;
    ssize_t len = getline(text, &size, f);
    int lines = len >= 0, next;
    while (lines && (next = getc(f)) != EOF) {
        ungetc(next, f);
        if (next != ' ' && next != '\t')
            break;
        char *more = NULL;
        size_t more_size = 0;
        ssize_t more_len = getline(&more, &more_size, f);
        *text = realloc(*text, (size_t)(len + more_len) + 1);
        memcpy(*text + len, more, (size_t)more_len + 1);
        len += more_len;
        free(more);
        lines++;
    }
    return lines;
}

/* The text of the lines is kept: names and expressions point into it. */
static void read_table(void)
{
    FILE *f = fopen(path, "r");
    if (!f)
        die(path);
    int line = 1, lines;
    for (char *text = NULL; (lines = read_logical_line(f, &text)); line += lines, text = NULL) {
        char *word = strtok(text, " \t\n");
        if (!word || *word == '#' || !strcmp(word, "section"))
            continue;
        if (!strcmp(word, "field"))
            read_slot(line);
        else
            read_row(line, word);
    }
    fclose(f);
}

/* ---- checking ---- */

static bool is_proper_superset(uint32_t a, uint32_t b)
{
    return (a & b) == b && a != b;
}

static void check_overlaps(void)
{
    for (int i = 0; i < row_count; i++)
        for (int j = 0; j < i; j++) {
            const struct row *a = &rows[i], *b = &rows[j];
            if ((a->value ^ b->value) & a->mask & b->mask)
                continue;
            if (!is_proper_superset(a->mask, b->mask) && !is_proper_superset(b->mask, a->mask))
                fail(a->line, "%s overlaps %s of line %d, and neither is more special", a->name, b->name, b->line);
        }
}

/* ---- a64_insn.h, a64_rows.inc ---- */

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

static void write_rows(FILE *out)
{
    static const char *const macros[] = { "A64_ROW(NAME, MEANING, FEATURE, TODO)", "A64_SEM(MEANING)",
                                          "A64_HAS_SF(NAME)" };
    fprintf(out, "/* Made by isagen from %s. Define what you need of:\n", path);
    fprintf(out, "   A64_ROW once per row, A64_SEM once per meaning that a row without !todo has,\n");
    fprintf(out, "   A64_HAS_SF once per row whose operation has a width in sf. */\n");
    for (int i = 0; i < 3; i++)
        fprintf(out, "#ifndef A64_%.*s\n#define %s\n#endif\n", (int)strcspn(macros[i] + 4, "("), macros[i] + 4,
                macros[i]);
    for (int i = 0; i < row_count; i++)
        fprintf(out, "A64_ROW(%s, %s, %s, %d)\n", rows[i].name, rows[i].meaning, rows[i].feature, rows[i].todo);
    for (int i = 0; i < row_count; i++)
        if (is_first_with_meaning(i))
            fprintf(out, "A64_SEM(%s)\n", rows[i].meaning);
    for (int i = 0; i < row_count; i++)
        if (find_field(&rows[i], "sf", 2))
            fprintf(out, "A64_HAS_SF(%s)\n", rows[i].name);
    fprintf(out, "#undef A64_ROW\n#undef A64_SEM\n#undef A64_HAS_SF\n");
}

/* ---- a64_decode.inc ---- */

/* The body of a function that fills the fields of a row; rows with the same fields share it. */
static char *format_text(const struct row *row)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        die("memory");
    for (int i = 0; i < row->field_count; i++) {
        const struct field *field = &row->fields[i];
        if (field->expr)
            fprintf(out, "    const int64_t %s = %s;\n", field->name, field->expr);
        else
            fprintf(out, "    const int64_t %s = word >> %d & 0x%x;\n", field->name, field->lsb,
                    (1u << field->width) - 1);
    }
    if (row->condition)
        fprintf(out, "    if (!(%s))\n        return false;\n", row->condition);
    for (int i = 0; i < row->field_count; i++) {
        const struct slot *slot = find_slot(row->fields[i].name);
        if (slot && slot->width == 64)
            fprintf(out, "    in->%s = %s;\n", slot->name, slot->name);
        else if (slot)
            fprintf(out, "    in->%s = (uint%d_t)%s;\n", slot->name, slot->width, slot->name);
    }
    fclose(out);
    return text;
}

static void make_formats(void)
{
    for (int i = 0; i < row_count; i++) {
        char *text = format_text(&rows[i]);
        int f = 0;
        while (f < format_count && strcmp(formats[f], text))
            f++;
        if (f == format_count)
            formats[format_count++] = text;
        else
            free(text);
        rows[i].format = f;
    }
}

/* Does the row match words that have `key` in the bits lsb..lsb+width-1? */
static bool row_admits(const struct row *row, int lsb, int width, uint32_t key)
{
    uint32_t window = ((1u << width) - 1) << lsb;
    return !((row->value ^ key << lsb) & row->mask & window);
}

/* How good a switch on this window is: the rows that are left to test, squared, on average; less is better. */
static double window_cost(struct row *const *set, int count, int lsb, int width)
{
    double cost = 0;
    for (uint32_t key = 0; key < 1u << width; key++) {
        int left = 0;
        for (int i = 0; i < count; i++)
            left += row_admits(set[i], lsb, width, key);
        cost += (double)left * left;
    }
    return cost / (1u << width) + 0.01 * width;
}

/* The best window of bits that are not tested yet; false if none gets rid of a tenth of the work. */
static bool best_window(struct row *const *set, int count, uint32_t tested, int *lsb, int *width)
{
    double best = 0.9 * count * count;
    bool found = false;
    for (int w = 1; w <= MAX_WINDOW; w++)
        for (int l = 0; l + w <= 32; l++) {
            if (tested & ((1u << w) - 1) << l)
                continue;
            double cost = window_cost(set, count, l, w);
            if (cost >= best)
                continue;
            best = cost, *lsb = l, *width = w, found = true;
        }
    return found;
}

static int by_speciality(const void *a, const void *b)
{
    const struct row *x = *(struct row *const *)a, *y = *(struct row *const *)b;
    int d = __builtin_popcount(y->mask) - __builtin_popcount(x->mask);
    return d ? d : x->line - y->line;
}

static void write_leaf(FILE *out, struct row **set, int count, uint32_t tested, int indent)
{
    qsort(set, (size_t)count, sizeof *set, by_speciality);
    for (int i = 0; i < count; i++) {
        uint32_t mask = set[i]->mask & ~tested;
        fprintf(out, "%*sif (", indent, "");
        if (mask)
            fprintf(out, "(word & 0x%08x) == 0x%08x && ", mask, set[i]->value & mask);
        fprintf(out, "format_%d(word, in))\n%*sreturn A64_%s;\n", set[i]->format, indent + 4, "", set[i]->name);
    }
    fprintf(out, "%*sreturn A64_UNALLOCATED;\n", indent, "");
}

static void write_tree(FILE *out, struct row **set, int count, uint32_t tested, int indent)
{
    int lsb = 0, width = 0;
    if (count <= 2 || !best_window(set, count, tested, &lsb, &width)) {
        write_leaf(out, set, count, tested, indent);
        return;
    }
    uint32_t window = ((1u << width) - 1) << lsb;
    bool done[1 << MAX_WINDOW] = { false };
    fprintf(out, "%*sswitch (word >> %d & 0x%x) {\n", indent, "", lsb, (1u << width) - 1);
    for (uint32_t key = 0; key < 1u << width; key++) {
        struct row **left = malloc((size_t)count * sizeof(*left));
        int n = 0;
        for (int i = 0; i < count; i++)
            if (row_admits(set[i], lsb, width, key))
                left[n++] = set[i];
        if (n && !done[key]) {
            for (uint32_t other = key; other < 1u << width; other++) { /* keys that leave the same rows */
                bool same = true;
                for (int i = 0; same && i < count; i++)
                    same = row_admits(set[i], lsb, width, key) == row_admits(set[i], lsb, width, other);
                if (same) {
                    done[other] = true;
                    fprintf(out, "%*scase 0x%x:\n", indent, "", other);
                }
            }
            write_tree(out, left, n, tested | window, indent + 4);
        }
        free(left);
    }
    fprintf(out, "%*s}\n%*sreturn A64_UNALLOCATED;\n", indent, "", indent, "");
}

static void write_decoder(FILE *out)
{
    make_formats();
    fprintf(out, "/* Made by isagen from %s. */\n", path);
    for (int i = 0; i < format_count; i++) {
        fprintf(out, "\nstatic bool format_%d(uint32_t word, struct a64_insn *in)\n{\n", i);
        if (!*formats[i])
            fprintf(out, "    (void)word, (void)in;\n");
        fprintf(out, "%s    return true;\n}\n", formats[i]);
    }
    static struct row *all[MAX_ROWS];
    for (int i = 0; i < row_count; i++)
        all[i] = &rows[i];
    fprintf(out, "\nstatic enum a64_op decode_word(uint32_t word, struct a64_insn *in)\n{\n");
    write_tree(out, all, row_count, 0, 4);
    fprintf(out, "}\n");
}

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
