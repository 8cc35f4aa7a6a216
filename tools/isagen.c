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

static void add_field(struct row *row, struct field field)
{
    if (find_field(row, field.name, strlen(field.name)))
        fail(row->line, "%s: field '%s' occurs twice", row->name, field.name);
    else if (row->field_count == MAX_FIELDS)
        fail(row->line, "%s: more than %d fields", row->name, MAX_FIELDS);
    else
        row->fields[row->field_count++] = field;
}

/* name:width or name:width! */
static void read_pattern_field(struct row *row, char *token)
{
    char *colon = strchr(token, ':'), *end;
    *colon = 0;
    long width = strtol(colon + 1, &end, 10);
    if (width < 1 || width > row->bits_left) {
        fail(row->line, "%s: the pattern has more than 32 bits at '%s'", row->name, token);
        return;
    }
    row->bits_left -= (int)width;
    add_field(row, (struct field){
                       .name = token, .lsb = row->bits_left, .width = (int)width, .nonzero = *end == '!' });
}

static void read_pattern_bits(struct row *row, const char *token)
{
    for (const char *p = token; *p; p++) {
        if (row->bits_left == 0) {
            fail(row->line, "%s: the pattern has more than 32 bits at '%s'", row->name, token);
            return;
        }
        row->bits_left--;
        if (*p == '.')
            continue;
        row->mask |= 1u << row->bits_left;
        row->value |= (uint32_t)(*p - '0') << row->bits_left;
    }
}

static bool is_pattern_field(const char *token)
{
    size_t name = strcspn(token, ":"), digits = token[name] ? strspn(token + name + 1, "0123456789") : 0;
    const char *end = token + name + 1 + digits;
    return isalpha((unsigned char)*token) && digits && (!strcmp(end, "") || !strcmp(end, "!"));
}

static void read_condition(struct row *row, const char *expr)
{
    if (row->condition_count == MAX_CONDITIONS)
        fail(row->line, "%s: more than %d conditions", row->name, MAX_CONDITIONS);
    else
        row->conditions[row->condition_count++] = expr;
    check_expression(row, expr);
}

static void read_words(struct row *row, char *words);

static void read_let_use(struct row *row, const char *name)
{
    for (int i = 0; i < let_count; i++)
        if (!strcmp(lets[i].name, name)) {
            read_words(row, strdup(lets[i].words));
            return;
        }
    fail(row->line, "%s: unknown name '$%s'", row->name, name);
}

/* Reads the words of a row behind its name. */
static void read_words(struct row *row, char *words)
{
    char *rest = words;
    for (char *token; (token = strtok_r(rest, BLANKS, &rest));) {
        char *equals = strchr(token, '=');
        if (*token == '$') {
            read_let_use(row, token + 1);
        } else if (*token == '@') {
            row->feature = token + 1;
        } else if (*token == '~') {
            row->meaning = token + 1;
        } else if (*token == '?') {
            read_condition(row, token + 1);
        } else if (!strcmp(token, "!todo")) {
            row->todo = true;
        } else if (isalpha((unsigned char)*token) && equals) {
            *equals = 0;
            check_expression(row, equals + 1);
            add_field(row, (struct field){ .name = token, .expr = equals + 1 });
        } else if (is_pattern_field(token)) {
            read_pattern_field(row, token);
        } else if (strspn(token, "01.") == strlen(token)) {
            read_pattern_bits(row, token);
        } else {
            fail(row->line, "%s: can't read '%s'", row->name, token);
        }
    }
}

static void check_fields(struct row *row)
{
    if (row->bits_left)
        fail(row->line, "%s: the pattern has %d bits, not 32", row->name, 32 - row->bits_left);
    for (int i = 0; i < row->field_count; i++) {
        const struct field *field = &row->fields[i];
        const struct slot *slot = find_slot(field->name);
        if (!slot && !field->used && !field->nonzero)
            fail(row->line, "%s: field '%s' is neither kept nor used", row->name, field->name);
        else if (slot && field->width > slot->width)
            fail(row->line, "%s: field '%s' has %d bits, %d are kept", row->name, field->name, field->width,
                 slot->width);
    }
}

static void read_row(int line, char *name, char *words)
{
    if (row_count == MAX_ROWS) {
        fail(line, "more than %d rows", MAX_ROWS);
        return;
    }
    for (int i = 0; i < row_count; i++)
        if (!strcmp(rows[i].name, name))
            fail(line, "%s: the name is taken by line %d", name, rows[i].line);
    struct row *row = &rows[row_count++];
    *row = (struct row){ .name = name, .meaning = name, .feature = "FEAT_BASE", .line = line, .bits_left = 32 };
    read_words(row, words);
    check_fields(row);
}

/* let NAME words... */
static void read_let(int line, char *words)
{
    char *rest = words, *name = strtok_r(rest, BLANKS, &rest);
    for (int i = 0; name && i < let_count; i++)
        if (!strcmp(lets[i].name, name))
            fail(line, "'%s' is named twice", name);
    if (!name || let_count == MAX_LETS)
        fail(line, "expected: let NAME words...");
    else
        lets[let_count++] = (struct let){ .name = name, .words = rest };
}

/* field NAME[:WIDTH] "text" */
static void read_slot(int line, char *words)
{
    char *rest = words, *name = strtok_r(rest, BLANKS, &rest);
    char *open = strchr(rest, '"'), *close = strrchr(rest, '"');
    if (!name || !open || open == close || slot_count == MAX_SLOTS) {
        fail(line, "expected: field NAME[:WIDTH] \"what it is\"");
        return;
    }
    *close = 0;
    char *colon = strchr(name, ':');
    int width = colon ? atoi(colon + 1) : 8;
    if (colon)
        *colon = 0;
    if (find_slot(name))
        fail(line, "field '%s' is declared twice", name);
    if (width != 8 && width != 16 && width != 64)
        fail(line, "field '%s': a width is 8, 16 or 64", name);
    slots[slot_count++] = (struct slot){ .name = name, .text = open + 1, .width = width };
}

/* The text of the lines is kept: names and expressions point into it. */
static void read_table(void)
{
    FILE *f = fopen(path, "r");
    if (!f)
        die(path);
    char *text = NULL;
    size_t size = 0;
    for (int line = 1; getline(&text, &size, f) >= 0; line++) {
        char *rest = strdup(text), *word = strtok_r(rest, BLANKS, &rest);
        if (!word || *word == '#' || !strcmp(word, "section"))
            continue;
        if (!strcmp(word, "field"))
            read_slot(line, rest);
        else if (!strcmp(word, "let"))
            read_let(line, rest);
        else
            read_row(line, word, rest);
    }
    free(text);
    fclose(f);
}

/* ---- checking ---- */

static bool is_proper_superset(uint32_t a, uint32_t b)
{
    return (a & b) == b && a != b;
}

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
                                          "A64_HAS_SF(NAME)", "A64_BITS(NAME, MASK, VALUE)",
                                          "A64_FIELD(NAME)" };
    fprintf(out, "/* Made by isagen from %s. Define what you need of:\n", path);
    fprintf(out, "   A64_ROW once per row, A64_SEM once per meaning that a row without !todo has,\n");
    fprintf(out, "   A64_HAS_SF once per row whose operation has a width in sf,\n");
    fprintf(out, "   A64_BITS once per row: its fixed bits, A64_FIELD once per field of struct a64_insn. */\n");
    for (size_t i = 0; i < sizeof macros / sizeof *macros; i++)
        fprintf(out, "#ifndef %.*s\n#define %s\n#endif\n", (int)strcspn(macros[i], "("), macros[i], macros[i]);
    for (int i = 0; i < row_count; i++)
        fprintf(out, "A64_ROW(%s, %s, %s, %d)\n", rows[i].name, rows[i].meaning, rows[i].feature, rows[i].todo);
    for (int i = 0; i < row_count; i++)
        if (is_first_with_meaning(i))
            fprintf(out, "A64_SEM(%s)\n", rows[i].meaning);
    for (int i = 0; i < row_count; i++)
        if (find_field(&rows[i], "sf", 2))
            fprintf(out, "A64_HAS_SF(%s)\n", rows[i].name);
    for (int i = 0; i < row_count; i++)
        fprintf(out, "A64_BITS(%s, 0x%08x, 0x%08x)\n", rows[i].name, rows[i].mask, rows[i].value);
    for (int i = 0; i < slot_count; i++)
        fprintf(out, "A64_FIELD(%s)\n", slots[i].name);
    for (size_t i = 0; i < sizeof macros / sizeof *macros; i++)
        fprintf(out, "#undef %.*s\n", (int)strcspn(macros[i], "("), macros[i]);
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
    for (int i = 0; i < row->field_count; i++)
        if (row->fields[i].nonzero)
            fprintf(out, "    if (!%s)\n        return false;\n", row->fields[i].name);
    for (int i = 0; i < row->condition_count; i++)
        fprintf(out, "    if (!(%s))\n        return false;\n", row->conditions[i]);
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

/*
 * How bad a switch on this window is: the rows that are left to test behind it, squared, on average, times the
 * factor by which copies of rows that don't care about some of the bits make the tree larger. The power of that
 * factor trades size for speed: 3 makes a quarter less code than 1, at the same speed.
 */
static double window_cost(struct row *const *set, int count, int lsb, int width)
{
    uint64_t seen[1 << MAX_WINDOW];
    int seen_count = 0;
    double tests = 0, copies = 0;
    for (uint32_t key = 0; key < 1u << width; key++) {
        int left = 0;
        uint64_t which = 0; /* a hash of the rows that are left */
        for (int i = 0; i < count; i++)
            if (row_admits(set[i], lsb, width, key)) {
                left++;
                which = (which ^ (uint64_t)i) * 0x9e3779b97f4a7c15 + 1;
            }
        tests += (double)left * left;
        int s = 0;
        while (s < seen_count && seen[s] != which)
            s++;
        if (s == seen_count) {
            seen[seen_count++] = which;
            copies += left;
        }
    }
    double growth = copies / count;
    return tests / (1u << width) * growth * growth * growth;
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
