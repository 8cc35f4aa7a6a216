/* --stats: what the compiler did, when the process ends. */
#include "cache.h"

#include <xemu/log.h>
#include <xemu/options.h>
#include <xemu/report.h>

#include <stdio.h>

/* In the order of struct stats, which has nothing but these. */
static const struct {
    const char *name, *text;
} rows[] = {
#define STAT(name, text) {#name, text},
    STATS(STAT)
#undef STAT
};
enum { ROWS = sizeof rows / sizeof *rows };
_Static_assert(sizeof(struct stats) == ROWS * sizeof(uint64_t), "a number for each row");

void stats_add(struct stats *to, const struct stats *from)
{
    for (unsigned i = 0; i < ROWS; i++)
        ((uint64_t *)to)[i] += ((const uint64_t *)from)[i];
}

enum { TEXT_SIZE = 2048 };

static void write_text(char *text, const uint64_t *values)
{
    size_t n = 0;
    for (unsigned i = 0; i < ROWS; i++)
        n += (size_t)snprintf(text + n, TEXT_SIZE - n, "%14lu  %s\n", values[i], rows[i].text);
}

enum { SHOWN = 10 };

static uint64_t calls_in_all(void)
{
    uint64_t calls = 0;
    for (unsigned op = 0; op < IR_OP_COUNT; op++)
        calls += cache.counts[1 + op];
    return calls;
}

/* The operation that compiled code called most often, and how often; each call gives the next one. 0: there is none. */
static uint64_t next_called(const char **name)
{
    unsigned most = 0;
    for (unsigned op = 1; op < IR_OP_COUNT; op++)
        if (cache.counts[1 + op] > cache.counts[1 + most])
            most = op;
    uint64_t count = cache.counts[1 + most];
    cache.counts[1 + most] = 0;
    *name = ir_ops[most].name;
    return count;
}

static void report_calls(void)
{
    uint64_t instructions = cache.counts[0], calls = calls_in_all(), count;
    const char *name;
    log_printf("%14lu  guest instructions that ran compiled\n%14lu  calls of functions for them (%.3f %%)\n",
               instructions, calls, instructions ? 100.0 * (double)calls / (double)instructions : 0);
    for (unsigned shown = 0; shown < SHOWN && (count = next_called(&name)); shown++)
        log_printf("%14lu    %s\n", count, name);
}

static size_t write_calls_json(char *text, size_t room)
{
    uint64_t count;
    const char *name;
    size_t n = (size_t)snprintf(text, room, ", \"guest_instructions_run\": %lu, \"calls\": %lu, \"most_called\": {",
                                cache.counts[0], calls_in_all());
    for (unsigned shown = 0; shown < SHOWN && (count = next_called(&name)); shown++)
        n += (size_t)snprintf(text + n, room - n, "%s\"%s\": %lu", shown ? ", " : "", name, count);
    return n + (size_t)snprintf(text + n, room - n, "}");
}

static void write_json(char *text, const uint64_t *values)
{
    size_t n = 0;
    for (unsigned i = 0; i < ROWS; i++)
        n += (size_t)snprintf(text + n, TEXT_SIZE - n, "%s\"%s\": %lu", i ? ", " : "{", rows[i].name, values[i]);
    if (options.counts_calls)
        n += write_calls_json(text + n, TEXT_SIZE - n);
    snprintf(text + n, TEXT_SIZE - n, "}\n");
}

void jit_report_code(struct report_code *code)
{
    pthread_mutex_lock(&cache.lock);
    *code = (struct report_code){cache.stats.blocks, cache.stats.guest_instructions, cache.stats.host_bytes, 0};
    for (unsigned i = 0; i < cache.arena_count; i++)
        code->cache_bytes += (uint64_t)(cache.arenas[i].at - cache.arenas[i].start);
    pthread_mutex_unlock(&cache.lock);
}

void jit_report(void)
{
    char text[TEXT_SIZE];
    if (options.stats == STATS_NONE)
        return;
    pthread_mutex_lock(&cache.lock);
    struct stats sum = cache.stats;
    for (struct jit *jit = cache.threads; jit; jit = jit->next)
        stats_add(&sum, &jit->stats);
    pthread_mutex_unlock(&cache.lock);
    (options.stats == STATS_JSON ? write_json : write_text)(text, (const uint64_t *)&sum);
    log_printf("%s", text);
    if (options.counts_calls && options.stats != STATS_JSON)
        report_calls();
}
