/* The tables of levels and programs: rows of columns that | separates; # begins a comment, and a row goes on
 * in lines that begin with a blank. */
#include "lab.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { COLUMNS_MAX = 9, ROW_MAX = 2048 };

const char *const clock_names[CLOCKS] = {"cpu", "host", "wall"};

static char *copy(const char *text)
{
    char *made = strdup(text);
    if (!made)
        fail("not enough memory");
    return made;
}

static char *trim(char *text)
{
    text += strspn(text, " \t\n");
    for (size_t n = strlen(text); n && strchr(" \t\n", text[n - 1]); n--)
        text[n - 1] = 0;
    return text;
}

/* The next row, its continued lines joined; false at the end. *line counts. */
static bool next_row(FILE *file, char *row, int *line)
{
    char text[ROW_MAX];
    row[0] = 0;
    for (;;) {
        int first = getc(file);
        if (first == EOF)
            return row[0];
        ungetc(first, file);
        if (row[0] && first != ' ')
            return true;
        if (!fgets(text, sizeof text, file))
            return row[0];
        ++*line;
        if (first == '#' || !*trim(text))
            continue;
        if (strlen(row) + strlen(text) + 2 > ROW_MAX)
            fail("line %d is too long", *line);
        strcat(row, row[0] ? " " : "");
        strcat(row, trim(text));
    }
}

static void read_table(const char *path, int columns, void (*add)(struct lab *, char **, const char *),
                       struct lab *lab)
{
    char row[ROW_MAX], where[PATH_MAX + 20];
    FILE *file = fopen(path, "r");
    int line = 0;
    if (!file)
        fail("%s: %s", path, strerror(errno));
    while (next_row(file, row, &line)) {
        char *column[COLUMNS_MAX] = {0}, *rest = row;
        int n = 0;
        snprintf(where, sizeof where, "%s:%d", path, line);
        for (; rest && n < columns - 1; n++)
            column[n] = copy(trim(strsep(&rest, "|")));
        if (rest) /* the last column may have a | in it */
            column[n++] = copy(trim(rest));
        if (n != columns)
            fail("%s: %d columns instead of %d", where, n, columns);
        add(lab, column, where);
    }
    fclose(file);
}

/* --- levels ------------------------------------------------------------------------------------------- */

static enum clock parse_clock(const char *text, const char *where)
{
    for (enum clock clock = 0; clock < CLOCKS; clock++)
        if (strcmp(text, clock_names[clock]) == 0)
            return clock;
    fail("%s: the clock should be cpu, host or wall, not %s", where, text);
}

static struct level *new_level(struct lab *lab, const char *where)
{
    if (lab->level_count == LEVELS_MAX)
        fail("%s: more than %d levels", where, LEVELS_MAX);
    return &lab->levels[lab->level_count++];
}

char *first_line(const char *command)
{
    char line[500] = "";
    FILE *from = popen(command, "r");
    bool got = from && fgets(line, sizeof line, from);
    if (from)
        pclose(from);
    return got ? copy(trim(line)) : NULL;
}

/* A row of its own for each version of the program that a pattern of `patterns` matches. */
static void add_versions(struct lab *lab, const struct level *row, const char *patterns, const char *where)
{
    char *rest = copy(patterns), *pattern;
    const char *digits = "0123456789";
    int before = lab->level_count;
    while ((pattern = strsep(&rest, " ")) && pattern) {
        glob_t found;
        if (!*pattern || glob(pattern, GLOB_TILDE | GLOB_BRACE, NULL, &found))
            continue;
        for (size_t i = 0; i < found.gl_pathc; i++) {
            char command[PATH_MAX + 40], name[80], *number, prefix[PATH_MAX + 40];
            snprintf(command, sizeof command, "'%s' --version 2>/dev/null", found.gl_pathv[i]);
            char *version = first_line(command);
            if (!version || !(number = strstr(version, "version ")) || !(number = strpbrk(number, digits)))
                continue;
            snprintf(name, sizeof name, "%s-%.*s", row->name,
                     (int)(strspn(number, digits) + 1 + strspn(number + strspn(number, digits) + 1, digits)),
                     number);
            if (find_level(lab, name) >= 0)
                continue;
            struct level *level = new_level(lab, where);
            *level = *row;
            level->name = copy(name);
            level->version = version;
            snprintf(prefix, sizeof prefix, "%s -L {arm64}", found.gl_pathv[i]);
            level->prefix = copy(prefix);
        }
        globfree(&found);
    }
    if (before == lab->level_count) {
        struct level *level = new_level(lab, where);
        *level = *row;
        level->missing = "no version of it was found";
    }
}

static void add_level(struct lab *lab, char **column, const char *where)
{
    struct level row = {
        .name = column[0],
        .group = column[1],
        .arch = column[2],
        .launcher = column[5],
        .prefix = column[7],
        .clock = parse_clock(column[3], where),
        .about = column[8],
        .agent = -1,
        .real = strcmp(column[6], "yes") == 0,
    };
    if (sscanf(column[4], "%d %d", &row.sizes[0], &row.sizes[1]) != 2 || row.sizes[0] >= row.sizes[1])
        fail("%s: the sizes should be two percentages, the smaller one first, not %s", where, column[4]);
    row.not_quick = strstr(column[4], "full") != NULL;
    if (find_level(lab, row.name) >= 0)
        fail("%s: a second level %s", where, row.name);
    if (strcmp(row.launcher, "none") == 0)
        row.missing = row.prefix;
    if (strncmp(row.prefix, "each: ", 6) == 0)
        add_versions(lab, &row, expand_names(row.prefix + 6), where);
    else
        *new_level(lab, where) = row;
}

/* --- programs ----------------------------------------------------------------------------------------- */

bool is_lab_program(const struct program *program) { return strcmp(program->command, "lab") == 0; }

static void add_program(struct lab *lab, char **column, const char *where)
{
    if (lab->program_count == PROGRAMS_MAX)
        fail("%s: more than %d programs", where, PROGRAMS_MAX);
    if (find_program(lab, column[0]) >= 0)
        fail("%s: a second program %s", where, column[0]);
    lab->programs[lab->program_count++] = (struct program){
        .name = column[0],
        .experiment = column[1],
        .in_quick = strcmp(column[2], "quick") == 0,
        .any_output = strcmp(column[3], "any") == 0,
        .packages = strcmp(column[4], "-") ? column[4] : "",
        .about = column[5],
        .command = column[6],
    };
}

void tables_read(struct lab *lab, const char *levels, const char *programs)
{
    read_table(levels, 9, add_level, lab);
    read_table(programs, 7, add_program, lab);
    if (!lab->level_count || strcmp(lab->levels[NATIVE].name, "native") != 0)
        fail("%s: the first level has to be native, with which all are compared", levels);
}

/* --- names -------------------------------------------------------------------------------------------- */

int find_level(const struct lab *lab, const char *name)
{
    for (int i = 0; i < lab->level_count; i++)
        if (strcmp(lab->levels[i].name, name) == 0)
            return i;
    return -1;
}

int find_program(const struct lab *lab, const char *name)
{
    for (int i = 0; i < lab->program_count; i++)
        if (strcmp(lab->programs[i].name, name) == 0)
            return i;
    return -1;
}

/* Whether the list has a name, or its group. */
static bool listed(const char *list, const char *name, const char *group)
{
    for (; list && *list; list += *list == ',') {
        size_t n = strcspn(list, ",");
        if ((strlen(name) == n && !strncmp(list, name, n)) || (group && strlen(group) == n && !strncmp(list, group, n)))
            return true;
        list += n;
    }
    return false;
}

/* Each name of the list has to be one of these, whose first members are a name and a group. */
static void check_names(const char *what, const char *list, const void *rows, size_t size, int count, bool name, bool group)
{
    for (char *rest = copy(list ? list : ""), *word; (word = strsep(&rest, ","));) {
        bool found = !list;
        for (int i = 0; i < count && !found; i++) {
            const char *const *names = (const char *const *)((const char *)rows + (size_t)i * size);
            found = (name && !strcmp(names[0], word)) || (group && !strcmp(names[1], word));
        }
        if (!found)
            fail("there is no %s %s: see --list", what, word);
    }
}

void choose_levels(struct lab *lab, const char *names)
{
    check_names("level", names, lab->levels, sizeof *lab->levels, lab->level_count, true, true);
    for (int i = 0; i < lab->level_count; i++) {
        struct level *level = &lab->levels[i];
        level->chosen = names ? listed(names, level->name, level->group) : !(lab->quick && level->not_quick);
    }
    lab->levels[NATIVE].chosen = true;
}

void choose_programs(struct lab *lab, const char *names, const char *experiments)
{
    check_names("program", names, lab->programs, sizeof *lab->programs, lab->program_count, true, false);
    check_names("experiment", experiments, lab->programs, sizeof *lab->programs, lab->program_count, false, true);
    for (int i = 0; i < lab->program_count; i++) {
        struct program *program = &lab->programs[i];
        bool in = !experiments || listed(experiments, program->experiment, NULL);
        program->chosen = in && (names ? listed(names, program->name, NULL) : program->in_quick || !lab->quick);
    }
}

int split_words(const char *text, char **words, int room)
{
    int n = 0;
    while (*(text += strspn(text, " ")) && n < room) {
        bool quoted = *text == '\'';
        text += quoted;
        size_t length = strcspn(text, quoted ? "'" : " ");
        words[n++] = strndup(text, length);
        text += length + (text[length] == '\'' && quoted);
    }
    return n;
}

int command_words(const struct program *program, const char *arch, char **words, int room)
{
    char *command = copy(program->command);
    for (char *mark; (mark = strstr(command, "{deb}"));) {
        char *made = NULL;
        if (asprintf(&made, "%.*s%s%s", (int)(mark - command), command, arch, mark + strlen("{deb}")) < 0)
            fail("not enough memory");
        free(command);
        command = made;
    }
    int n = split_words(command, words, room);
    free(command);
    return n;
}

/* {here}: the project; {arm64}: the tree of Debian's ARM64 packages; {peers}: where other emulators may be.
 */
char *expand_names(const char *text)
{
    static const char *const names[][2] = {
        {"{here}", ""}, {"{arm64}", "/build/sysroot-arm64"}, {"{peers}", "/build/peers"}};
    char here[PATH_MAX], *out = NULL;
    size_t size;
    FILE *to = open_memstream(&out, &size);
    if (!getcwd(here, sizeof here) || !to)
        fail("not enough memory");
    while (*text) {
        size_t i = 0;
        while (i < 3 && strncmp(text, names[i][0], strlen(names[i][0])) != 0)
            i++;
        if (i < 3) {
            fprintf(to, "%s%s", here, names[i][1]);
            text += strlen(names[i][0]);
        } else {
            putc(*text++, to);
        }
    }
    fclose(to);
    return out;
}
