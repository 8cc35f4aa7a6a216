/* results.json: the machine, the settings, every run. It is written to a new file that then takes the name,
 * so that whatever happens a whole file is there. */
#include "lab.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define FORMAT "xemu-overhead-lab"
enum { VERSION = 1 };

void add_run(struct lab *lab, const struct run *run)
{
    if (lab->run_count == lab->run_room) {
        lab->run_room = lab->run_room ? 2 * lab->run_room : 1024;
        lab->runs = realloc(lab->runs, (size_t)lab->run_room * sizeof *lab->runs);
        if (!lab->runs)
            fail("not enough memory");
    }
    lab->runs[lab->run_count++] = *run;
}

void add_metric(struct run *run, const char *name, double value)
{
    if (run->metric_count == METRICS_MAX)
        return;
    run->metrics = realloc(run->metrics, (size_t)(run->metric_count + 1) * sizeof *run->metrics);
    if (!run->metrics)
        fail("not enough memory");
    struct metric *metric = &run->metrics[run->metric_count++];
    snprintf(metric->name, sizeof metric->name, "%s", name);
    metric->value = value;
}

const char *meta_text(const struct lab *lab, const char *key)
{
    const char *text = json_string_value(json_object_get(lab->meta, key));
    return text ? text : "";
}

/* --- the machine -------------------------------------------------------------------------------------- */

static json_t *text_json(const char *text) { return text && *text ? json_string(text) : json_null(); }

static void set_text(json_t *object, const char *key, const char *text)
{
    json_object_set_new(object, key, text_json(text));
}

/* The first line of a file, or what follows the colon of the line that begins with `field`. */
static void set_line(json_t *object, const char *key, const char *path, const char *field)
{
    char line[500], *found = NULL;
    FILE *file = fopen(path, "r");
    while (file && !found && fgets(line, sizeof line, file))
        if (!field || strncmp(line, field, strlen(field)) == 0)
            found = field ? strchr(line, ':') : line;
    if (file)
        fclose(file);
    if (found) {
        found += strspn(found, ": \t");
        found[strcspn(found, "\n")] = 0;
    }
    set_text(object, key, found);
}

static void set_output(json_t *object, const char *key, const char *command)
{
    char *line = first_line(command);
    set_text(object, key, line);
    free(line);
}

static void set_time(json_t *object, const char *key)
{
    char text[40];
    time_t now = time(NULL);
    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", gmtime(&now));
    set_text(object, key, text);
}

/* 64-bit FNV-1a of a file's bytes: which build was measured. */
static void set_build(json_t *object, const char *path)
{
    uint64_t hash = 14695981039346656037u;
    char text[40];
    FILE *file = fopen(path, "rb");
    for (int c; file && (c = getc(file)) != EOF;)
        hash = (hash ^ (uint8_t)c) * 1099511628211u;
    if (file)
        fclose(file);
    snprintf(text, sizeof text, "%016" PRIx64, hash);
    set_text(object, path, file ? text : NULL);
}

static json_t *describe_builds(const struct lab *lab)
{
    json_t *builds = json_object();
    char path[PATH_MAX];
    set_build(builds, "build/rel/xemu");
    for (int p = 0; p < lab->program_count; p++) {
        for (int arm = 0; is_lab_program(&lab->programs[p]) && arm < 2; arm++) {
            snprintf(path, sizeof path, "build/lab/%s/%s", arm ? "arm64" : "amd64", lab->programs[p].name);
            set_build(builds, path);
        }
    }
    return builds;
}

void store_describe(struct lab *lab, int argc, char **argv)
{
    struct utsname names;
    json_t *meta = json_object(), *words = json_array();
    uname(&names);
    for (int i = 1; i < argc; i++)
        json_array_append_new(words, json_string(argv[i]));
    json_object_set_new(meta, "arguments", words);
    set_time(meta, "started");
    set_text(meta, "kernel", names.release);
    set_line(meta, "cpu", "/proc/cpuinfo", "model name");
    set_line(meta, "cpu flags", "/proc/cpuinfo", "flags");
    set_line(meta, "memory", "/proc/meminfo", "MemTotal");
    set_line(meta, "governor", "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", NULL);
    set_line(meta, "address randomisation", "/proc/sys/kernel/randomize_va_space", NULL);
    set_line(meta, "load", "/proc/loadavg", NULL);
    json_object_set_new(meta, "processors", json_integer(sysconf(_SC_NPROCESSORS_ONLN)));
    set_output(meta, "system", ". /etc/os-release && echo \"$PRETTY_NAME\"");
    set_output(meta, "virtualised", "systemd-detect-virt 2>/dev/null || echo unknown");
    set_output(meta, "compiler amd64", "gcc --version");
    set_output(meta, "compiler arm64", "aarch64-linux-gnu-gcc --version");
    set_text(meta, "compiler flags", "-O2 -static -pthread, and what a program's source asks for");
    set_output(meta, "xemu", "build/rel/xemu --version");
    set_output(meta, "xemu source", "git describe --always --dirty 2>/dev/null");
    set_output(meta, "qemu system", "qemu-system-x86_64 --version 2>/dev/null");
    set_output(meta, "runsc", "runsc --version 2>/dev/null");
    set_output(meta, "runc", "runc --version 2>/dev/null");
    json_object_set_new(meta, "build ids", describe_builds(lab));
    lab->meta = meta;
}

/* --- what is kept of each thing: written and read by these tables --------------------------------------- */

enum kind { TEXT, TEXT_OR_NULL, INTEGER, LONG, UNSIGNED, HASH, NUMBER, FLAG };

struct field {
    const char *key;
    enum kind kind;
    size_t offset; /* of the member */
};
#define FIELD(type, member, key, kind) {key, kind, offsetof(struct type, member)}

static const struct field lab_fields[] = {
    FIELD(lab, seed, "seed", UNSIGNED),
    FIELD(lab, rounds, "rounds", INTEGER),
    FIELD(lab, rounds_done, "rounds_done", INTEGER),
    FIELD(lab, cpu, "cpu", INTEGER),
    FIELD(lab, limit_s, "limit_s", INTEGER),
    FIELD(lab, budget_s, "budget_s", NUMBER),
    FIELD(lab, spent_s, "spent_s", NUMBER),
    FIELD(lab, quick, "quick", FLAG),
    FIELD(lab, finished, "finished", FLAG),
    {0},
};

static const struct field level_fields[] = {
    FIELD(level, name, "name", TEXT),
    FIELD(level, group, "group", TEXT),
    FIELD(level, arch, "arch", TEXT),
    FIELD(level, chosen, "chosen", FLAG),
    FIELD(level, real, "real", FLAG),
    FIELD(level, about, "about", TEXT),
    FIELD(level, missing, "missing", TEXT_OR_NULL),
    FIELD(level, version, "version", TEXT_OR_NULL),
    FIELD(level, prefix, "command", TEXT_OR_NULL),
    {0},
};

static const struct field program_fields[] = {
    FIELD(program, name, "name", TEXT),
    FIELD(program, experiment, "experiment", TEXT),
    FIELD(program, command, "command", TEXT),
    FIELD(program, chosen, "chosen", FLAG),
    FIELD(program, any_output, "any_output", FLAG),
    FIELD(program, about, "about", TEXT),
    FIELD(program, missing, "missing", TEXT_OR_NULL),
    {0},
};

static const struct field run_fields[] = {
    FIELD(run, size, "size", INTEGER),
    FIELD(run, round, "round", INTEGER),
    FIELD(run, number, "number", INTEGER),
    FIELD(run, status, "status", INTEGER),
    FIELD(run, wall, "wall_ns", NUMBER),
    FIELD(run, cpu, "cpu_ns", NUMBER),
    FIELD(run, host, "host_ns", NUMBER),
    FIELD(run, rss, "rss_kib", LONG),
    FIELD(run, bytes, "output_bytes", UNSIGNED),
    FIELD(run, hash, "output", HASH),
    {0},
};

static json_t *hash_json(uint64_t hash)
{
    char text[20];
    snprintf(text, sizeof text, "%016" PRIx64, hash);
    return json_string(text);
}

/* A member as JSON. */
static json_t *value_of(const void *from, enum kind kind)
{
    switch (kind) {
    case TEXT:
        return json_string(*(const char *const *)from);
    case TEXT_OR_NULL:
        return text_json(*(const char *const *)from);
    case INTEGER:
        return json_integer(*(const int *)from);
    case LONG:
        return json_integer(*(const long *)from);
    case UNSIGNED:
        return json_integer((json_int_t) * (const uint64_t *)from);
    case HASH:
        return hash_json(*(const uint64_t *)from);
    case NUMBER:
        return json_real(*(const double *)from);
    case FLAG:
        return json_boolean(*(const bool *)from);
    }
    return NULL;
}

static json_t *pack(const struct field *fields, const void *from)
{
    json_t *object = json_object();
    for (const struct field *field = fields; field->key; field++)
        json_object_set_new(object, field->key, value_of((const char *)from + field->offset, field->kind));
    return object;
}

/* --- files of the folder -------------------------------------------------------------------------------- */

static void path_of(const struct lab *lab, const char *name, char path[PATH_MAX])
{
    if (snprintf(path, PATH_MAX, "%s/%s", lab->folder, name) >= PATH_MAX)
        fail("the folder's name is too long");
}

FILE *folder_create(const struct lab *lab, const char *name)
{
    char path[PATH_MAX];
    path_of(lab, name, path);
    FILE *file = fopen(path, "we");
    if (!file)
        fail("cannot write %s: %s", path, strerror(errno));
    return file;
}

void folder_close(const struct lab *lab, const char *name, FILE *file)
{
    bool failed = ferror(file);
    if (fclose(file) || failed)
        fail("cannot write %s/%s: %s", lab->folder, name, strerror(errno));
}

/* --- writing ------------------------------------------------------------------------------------------ */

static json_t *run_json(const struct lab *lab, const struct run *run)
{
    json_t *made = pack(run_fields, run), *said = json_string(run->why);
    json_object_set_new(made, "level", json_string(lab->levels[run->level].name));
    json_object_set_new(made, "program", json_string(lab->programs[run->program].name));
    json_object_set_new(made, "said", said ? said : json_string("(no text)"));
    if (run->metric_count) {
        json_t *metrics = json_object();
        for (int i = 0; i < run->metric_count; i++)
            json_object_set_new(metrics, run->metrics[i].name, json_real(run->metrics[i].value));
        json_object_set_new(made, "metrics_ns", metrics);
    }
    return made;
}

static json_t *levels_json(const struct lab *lab)
{
    json_t *levels = json_array();
    for (int i = 0; i < lab->level_count; i++) {
        const struct level *level = &lab->levels[i];
        json_t *one = pack(level_fields, level);
        json_object_set_new(one, "clock", json_string(clock_names[level->clock]));
        json_object_set_new(one, "sizes", json_pack("[ii]", level->sizes[0], level->sizes[1]));
        json_array_append_new(levels, one);
    }
    return levels;
}

static json_t *programs_json(const struct lab *lab)
{
    json_t *programs = json_array();
    for (int i = 0; i < lab->program_count; i++)
        json_array_append_new(programs, pack(program_fields, &lab->programs[i]));
    return programs;
}

void store_save(const struct lab *lab)
{
    char path[PATH_MAX], part[PATH_MAX];
    json_t *all = pack(lab_fields, lab);
    json_object_set_new(all, "format", json_string(FORMAT));
    json_object_set_new(all, "version", json_integer(VERSION));
    json_t *runs = json_array();
    json_object_set(all, "machine", lab->meta);
    json_object_set_new(all, "levels", levels_json(lab));
    json_object_set_new(all, "programs", programs_json(lab));
    for (int i = 0; i < lab->run_count; i++)
        json_array_append_new(runs, run_json(lab, &lab->runs[i]));
    json_object_set_new(all, "runs", runs);
    if (lab->reports)
        json_object_set(all, "reports", lab->reports);
    path_of(lab, "results.json", path);
    path_of(lab, "results.json.new", part);
    if (json_dump_file(all, part, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) || rename(part, path)) {
        int error = errno;
        unlink(part);
        fail("cannot write %s: %s", path, strerror(error));
    }
    json_decref(all);
}

/* --- reading ------------------------------------------------------------------------------------------ */

static char path_read[PATH_MAX];

static _Noreturn void damaged(const char *what)
{
    fail("%s is damaged: %s. Move it away to start anew, or give another folder with -o", path_read, what);
}

static const char *text_of(json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    if (!text)
        damaged(key);
    return strdup(text);
}

static json_int_t integer_of(json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);
    if (!json_is_integer(value))
        damaged(key);
    return json_integer_value(value);
}

static double number_of(json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);
    if (!json_is_number(value) || json_number_value(value) < 0)
        damaged(key);
    return json_number_value(value);
}

static const char *text_or_null(json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? strdup(text) : NULL;
}

static uint64_t hash_of(json_t *object, const char *key)
{
    const char *text = text_of(object, key);
    uint64_t hash = strtoull(text, NULL, 16);
    free((char *)text);
    return hash;
}

static void load_value(void *to, json_t *object, const struct field *field)
{
    switch (field->kind) {
    case TEXT:
        *(const char **)to = text_of(object, field->key);
        break;
    case TEXT_OR_NULL:
        *(const char **)to = text_or_null(object, field->key);
        break;
    case INTEGER:
        *(int *)to = (int)integer_of(object, field->key);
        break;
    case LONG:
        *(long *)to = (long)integer_of(object, field->key);
        break;
    case UNSIGNED:
        *(uint64_t *)to = (uint64_t)integer_of(object, field->key);
        break;
    case HASH:
        *(uint64_t *)to = hash_of(object, field->key);
        break;
    case NUMBER:
        *(double *)to = number_of(object, field->key);
        break;
    case FLAG:
        *(bool *)to = json_is_true(json_object_get(object, field->key));
        break;
    }
}

/* What is there with another type, or not there, ends the program. */
static void unpack(const struct field *fields, void *to, json_t *object)
{
    for (const struct field *field = fields; field->key; field++)
        load_value((char *)to + field->offset, object, field);
}

static void load_level(struct lab *lab, json_t *from)
{
    if (lab->level_count == LEVELS_MAX)
        damaged("too many levels");
    struct level *level = &lab->levels[lab->level_count++];
    json_t *sizes = json_object_get(from, "sizes");
    const char *clock = text_of(from, "clock");
    *level = (struct level){
        .launcher = "",
        .agent = -1,
        .sizes = {(int)json_integer_value(json_array_get(sizes, 0)),
                  (int)json_integer_value(json_array_get(sizes, 1))},
    };
    unpack(level_fields, level, from);
    while (level->clock < CLOCKS && strcmp(clock, clock_names[level->clock]) != 0)
        level->clock++;
    if (level->clock == CLOCKS || level->sizes[0] < 1 || level->sizes[1] <= level->sizes[0])
        damaged("a level's clock or sizes");
}

static void load_program(struct lab *lab, json_t *from)
{
    if (lab->program_count == PROGRAMS_MAX)
        damaged("too many programs");
    unpack(program_fields, &lab->programs[lab->program_count++], from);
}

static void load_run(struct lab *lab, json_t *from)
{
    const char *name;
    json_t *value, *metrics = json_object_get(from, "metrics_ns");
    struct run run = {
        .level = find_level(lab, text_of(from, "level")),
        .program = find_program(lab, text_of(from, "program")),
    };
    unpack(run_fields, &run, from);
    snprintf(run.why, sizeof run.why, "%s", text_of(from, "said"));
    if (run.level < 0 || run.program < 0)
        damaged("a run of a level or a program that it does not name");
    json_object_foreach(metrics, name, value) add_metric(&run, name, json_number_value(value));
    add_run(lab, &run);
}

static json_t *array_of(json_t *object, const char *key)
{
    json_t *array = json_object_get(object, key);
    if (!json_is_array(array))
        damaged(key);
    return array;
}

bool store_load(struct lab *lab, const char *folder)
{
    json_error_t error;
    char what[300];
    size_t i;
    json_t *one;
    lab->folder = folder;
    path_of(lab, "results.json", path_read);
    if (access(path_read, F_OK))
        return false;
    json_t *all = json_load_file(path_read, 0, &error);
    if (!all) {
        snprintf(what, sizeof what, "line %d: %s", error.line, error.text);
        damaged(what);
    }
    const char *format = json_string_value(json_object_get(all, "format"));
    if (!format || strcmp(format, FORMAT) != 0 || integer_of(all, "version") != VERSION)
        damaged("these are no results of this lab's");
    unpack(lab_fields, lab, all);
    if (lab->rounds < 1 || lab->rounds > 1000 || lab->rounds_done < 0 || lab->rounds_done > lab->rounds + 1)
        damaged("rounds");
    lab->meta = json_incref(json_object_get(all, "machine"));
    lab->reports = json_incref(json_object_get(all, "reports"));
    json_array_foreach(array_of(all, "levels"), i, one) load_level(lab, one);
    if (!lab->level_count)
        damaged("no levels");
    json_array_foreach(array_of(all, "programs"), i, one) load_program(lab, one);
    json_array_foreach(array_of(all, "runs"), i, one) load_run(lab, one);
    json_decref(all);
    return true;
}
