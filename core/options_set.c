/* What each option does with its argument. */
#include "option_rows.h"

#include <xemu/features.h>
#include <xemu/jit.h>
#include <xemu/log.h>
#include <xemu/options.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Environment of the guest. */

static size_t env_count(void)
{
    size_t n = 0;
    while (options.guest_env[n])
        n++;
    return n;
}

/* The slot whose variable is named by the first `length` bytes of `name`, or the terminating slot. */
static char **env_slot(const char *name, size_t length)
{
    char **slot = options.guest_env;
    while (*slot && (strncmp(*slot, name, length) != 0 || (*slot)[length] != '='))
        slot++;
    return slot;
}

static void *checked(void *memory)
{
    if (!memory)
        die(1, "out of memory");
    return memory;
}

static void env_put(char *assignment)
{
    size_t length = strchrnul(assignment, '=') - assignment;
    char **slot = env_slot(assignment, length);
    if (!*slot) {
        size_t n = env_count();
        options.guest_env = checked(realloc(options.guest_env, (n + 2) * sizeof(char *)));
        slot = options.guest_env + n;
        slot[1] = NULL;
    }
    *slot = assignment;
}

static void env_remove(const char *name)
{
    char **slot = env_slot(name, strlen(name));
    for (; *slot; slot++)
        slot[0] = slot[1];
}

void option_guest_env_init(void)
{
    size_t n = 0;
    while (environ[n])
        n++;
    options.guest_env = checked(malloc((n + 1) * sizeof(char *)));
    memcpy(options.guest_env, environ, (n + 1) * sizeof(char *));
}

/* Setters and actions. The guest's variables keep pieces of the copies they make for ever. */

const char *option_set_guest_env(void *, const char *value)
{
    char *rest = checked(strdup(value));
    for (char *item; (item = strsep(&rest, ",")) != NULL;) {
        if (!strchr(item, '=') || *item == '=')
            return "should be VAR=VALUE";
        env_put(item);
    }
    return NULL;
}

const char *option_unset_guest_env(void *, const char *value)
{
    char *copy = checked(strdup(value)), *rest = copy;
    for (char *item; (item = strsep(&rest, ",")) != NULL;)
        env_remove(item);
    free(copy);
    return NULL;
}

const char *option_set_string(void *member, const char *value)
{
    *(const char **)member = value;
    return NULL;
}

/* A program may change its directory before it starts another one, which gets the same options. */
const char *option_set_path(void *member, const char *value)
{
    char *absolute, directory[PATH_MAX];
    if (*value == '/')
        return option_set_string(member, value);
    if (!getcwd(directory, sizeof directory))
        return "is relative, but there is no current directory";
    if (asprintf(&absolute, "%s/%s", directory, value) < 0)
        return "has no memory";
    return option_set_string(member, absolute);
}

const char *option_set_inherited(void *, const char *value)
{
    char *end;
    long fd = strtol(value, &end, 10);
    if (end == value || *end || fd < 0 || fd > INT_MAX)
        return "should be a descriptor";
    options.inherited = (int)fd;
    return NULL;
}

const char *option_set_size(void *member, const char *value)
{
    static const char units[] = "KMG";
    char *end;
    errno = 0;
    uint64_t size = strtoull(value, &end, 0);
    const char *unit = *end ? strchr(units, *end & ~0x20) : NULL;
    unsigned shift = 0;
    if (unit && *unit) {
        shift = 10 * (unsigned)(unit - units + 1);
        end++;
    }
    if (*value < '0' || *value > '9' || *end || errno || size == 0)
        return "should be a number of bytes, or a number with K, M or G";
    if (size > (uint64_t)1 << 40 >> shift)
        return "is more than 1024G";
    *(uint64_t *)member = size << shift;
    return NULL;
}

const char *option_set_flag(void *member, const char *value)
{
    if (value && strcmp(value, "0") != 0 && strcmp(value, "1") != 0)
        return "should be 0 or 1";
    *(bool *)member = !value || *value == '1';
    return NULL;
}

/* NULL, 1 or text, json, `extra`, or json and `extra` with a comma between. */
static bool read_format(const char *value, const char *extra, enum stats_format *format, bool *with_extra)
{
    const char *behind = value && strncmp(value, "json,", 5) == 0 ? value + 5 : value;
    *with_extra = behind && strcmp(behind, extra) == 0;
    bool json = behind != value || (value && strcmp(value, "json") == 0);
    *format = json ? STATS_JSON : STATS_TEXT;
    return behind == value
               ? !value || *with_extra || json || strcmp(value, "text") == 0 || strcmp(value, "1") == 0
               : *with_extra;
}

const char *option_set_stats(void *member, const char *value)
{
    return read_format(value, "calls", member, &options.counts_calls)
               ? NULL
               : "should be text, json, calls or json,calls";
}

const char *option_set_report(void *member, const char *value)
{
    return read_format(value, "counts", member, &options.report_counts)
               ? NULL
               : "should be text, json, counts or json,counts";
}

const char *option_set_explain(void *member, const char *value)
{
    char *end = NULL;
    bool address = strncmp(value, "0x", 2) == 0;
    if (address)
        strtoull(value, &end, 16);
    if (!*value || (address && (*end || !value[2])))
        return "should be a function's name or a hexadecimal address with 0x";
    return option_set_string(member, value);
}

const char *option_set_flame(void *member, const char *value)
{
    const char *dot = strrchr(value, '.');
    if (!dot || (strcmp(dot, ".svg") != 0 && strcmp(dot, ".folded") != 0))
        return "should end in .svg or .folded";
    return option_set_path(member, value);
}

const char *option_set_perf(void *member, const char *value)
{
    bool map = strcmp(value, "map") == 0;
    if (!map && strcmp(value, "jitdump") != 0)
        return "should be map or jitdump";
    *(enum perf_output *)member = map ? PERF_MAP : PERF_JITDUMP;
    return NULL;
}

const char *option_set_engine(void *member, const char *value)
{
    static const struct {
        const char *name;
        enum engine engine;
    } engines[] = {{"auto", ENGINE_AUTO}, {"interp", ENGINE_INTERP}, {"ir", ENGINE_IR}, {"jit", ENGINE_JIT}};
    for (size_t i = 0; i < sizeof engines / sizeof *engines; i++) {
        if (strcmp(value, engines[i].name) == 0) {
            *(enum engine *)member = engines[i].engine;
            return NULL;
        }
    }
    return "should be interp, ir, jit or auto";
}

const char *option_set_host(void *member, const char *value)
{
    unsigned level =
        value[0] == 'v' && value[1] >= '2' && value[1] <= '4' && !value[2] ? (unsigned)value[1] - '0' : 0;
    if (!level)
        return "should be v2, v3 or v4";
    if (level > backend_best_level())
        return "is more than this machine has";
    *(unsigned *)member = level;
    return NULL;
}

const char *option_set_cpu(void *member, const char *value)
{
    if (strcmp(value, "help") == 0) {
        cpu_help();
        exit(0);
    }
    *(const char **)member = value;
    return cpu_select(value);
}

const char *option_set_cache_dir(void *member, const char *value)
{
    bool none = !*value || strcmp(value, "none") == 0;
    return none ? option_set_string(member, "none") : option_set_path(member, value);
}

const char *option_set_strace(void *member, const char *value)
{
    /* XEMU_STRACE=1 is how people switch it on; nobody wants a file named 1. */
    bool named = value && *value && strcmp(value, "1") != 0;
    log_mask |= LOG_STRACE;
    return named ? option_set_path(member, value) : NULL;
}

const char *option_set_log(void *member, const char *value)
{
    *(const char **)member = value;
    return log_select(value);
}
